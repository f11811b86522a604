"""How one Krayin answers, told by what it answers: no call or page shows its version.

Krayin 2.1.5 and 2.2.3, MariaDB and MySQL, an owner's own limiter: each of these shows in an answer
sooner or later. What is not known yet is None.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Dialect:
    """What must be known of a Krayin to ask and to read it rightly.

    Attributes:
        blank_is_null: a blank text is stored as null (2.2), so a person's phones cannot be emptied, nor the
            description of a lead by the route that changes single fields.
        is_limited: good answers carry the limiter's headers (2.1 as shipped), so that an answer without
            them did not come from the endpoint that was asked.
        filters_by_json: lists can be filtered by a key inside a JSON column (2.1).
        takes_no_email: a person may be made without e-mails though the attribute is required (MySQL); once
            there, e-mails cannot be emptied there either.
    """

    blank_is_null: bool | None = None
    is_limited: bool | None = None
    filters_by_json: bool | None = None
    takes_no_email: bool | None = None

    def to_json(self) -> dict[str, Any]:
        """Return what is known as a JSON object."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Return the dialect that `to_json` wrote; what another version wrote beside it is left out."""
        return cls(**{name: document.get(name) for name in cls.__dataclass_fields__})
