"""How one Krayin answers, told by what it answers: no call or page shows its version.

Krayin 2.1.5 and 2.2.3, MariaDB and MySQL, an owner's own limiter: each of these shows in an answer
sooner or later. What is not known yet is None.
"""

from __future__ import annotations

from dataclasses import dataclass

from krayin.json_values import FromJson


@dataclass(frozen=True, slots=True)
class Dialect(FromJson):
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
