"""One contact's operation while it is carried out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from reconciliation.load.sink import Work

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from reconciliation.mapping.desired_contact import Fields

CREATE_CONTACT = "create_contact"
CREATE_LEAD = "create_lead"
RECREATE = "recreate"
RELEASE = "release"
RELEASED = "released"
REPLAYED = "replayed"
# A creation that may have taken effect without our knowing.
CREATIONS = frozenset({CREATE_CONTACT, CREATE_LEAD})
# By how much the clocks of Krayin and of the sync database may differ.
SKEW = timedelta(minutes=2)


@dataclass(slots=True)
class ContactWork(Work):
    """One contact's operation: what is wanted of its person and lead."""

    person: Fields
    lead: Fields
    person_hash: bytes
    lead_hash: bytes
    organization: str | None
    adopt: Mapping[str, int]

    @property
    def was_tried(self) -> bool:
        """Whether Krayin must be asked before anything is created: more may be there than we know."""
        return self.operation.step not in {None, RECREATE, RELEASE, RELEASED}

    def made_since_sent(self, created_at: datetime | None) -> bool:
        """Tell whether something made at that time may come from the creation that was sent last."""
        operation = self.operation
        return (
            operation.step in CREATIONS
            and operation.sent_at is not None
            and created_at is not None
            and created_at >= operation.sent_at - SKEW
        )
