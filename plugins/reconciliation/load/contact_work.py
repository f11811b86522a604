"""One contact's operation while it is carried out."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from reconciliation.sync_database.mapping_row import MappingRow, MappingState

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from reconciliation.mapping.desired_contact import Fields
    from reconciliation.sync_database.ledger import Operation, Outcome

CREATE_CONTACT = "create_contact"
CREATE_LEAD = "create_lead"
UPDATE_PERSON = "update_person"
UPDATE_LEAD = "update_lead"
RECREATE = "recreate"
RELEASE = "release"
RELEASED = "released"
REPLAYED = "replayed"
# A creation that may have taken effect without our knowing.
CREATIONS = frozenset({CREATE_CONTACT, CREATE_LEAD})
# By how much the clocks of Krayin and of the sync database may differ.
SKEW = timedelta(minutes=2)


class Stop(Exception):  # noqa: N818 - carries an outcome through, nothing went wrong in this code
    """The operation ends here, as `outcome` says."""

    def __init__(self, outcome: Outcome) -> None:
        """Keep the outcome."""
        self.outcome = outcome
        super().__init__(str(outcome.state))


@dataclass(slots=True)
class ContactWork:
    """One operation: what is wanted, the mapping `rows` by CRM kind, and the `result` so far."""

    operation: Operation
    person: Fields
    lead: Fields
    person_hash: bytes
    lead_hash: bytes
    organization: str | None
    adopt: Mapping[str, int]
    rows: dict[str, MappingRow]
    result: dict[str, str] = field(default_factory=dict)

    def row(self, crm_kind: str) -> MappingRow | None:
        """Return the mapping of a record that is linked."""
        row = self.rows.get(crm_kind)
        return row if row is not None and row.state is MappingState.LINKED else None

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

    def is_gone(self, crm_kind: str) -> bool:
        """Tell whether the record was deleted in Krayin."""
        row = self.rows.get(crm_kind)
        return row is not None and row.state is MappingState.GONE
