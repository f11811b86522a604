"""The mapping rows of a chunk of contacts, locked so that two planners take turns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg.rows import dict_row
from statements import statement

from reconciliation.sync_database.mapping_store import mapping_row

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    import psycopg

    from reconciliation.binding_scope import BindingScope
    from reconciliation.mapping.desired_contact import DesiredContact
    from reconciliation.sync_database.mapping_row import MappingRow


@dataclass(frozen=True, slots=True)
class LockedMapping:
    """Mapping rows by contact id and CRM kind, and when the planned version of each contact was read."""

    rows: Mapping[tuple[int, str], MappingRow]
    read_at: Mapping[int, datetime | None]

    def person(self, contact_id: int) -> MappingRow:
        """Return the row of a contact's person."""
        return self.rows[contact_id, "person"]

    def lead(self, contact_id: int) -> MappingRow:
        """Return the row of a contact's lead."""
        return self.rows[contact_id, "lead"]

    def has_planned(self, contact: DesiredContact, read_at: datetime) -> bool:
        """Tell whether what is wanted now was planned already, or something that was read later."""
        known_at = self.read_at[contact.contact_id]
        if known_at is not None and known_at > read_at:
            return True
        return (
            self.person(contact.contact_id).source_hash == contact.person_hash()
            and self.lead(contact.contact_id).source_hash == contact.lead_hash()
        )


def lock_mapping(
    connection: psycopg.Connection, identity: BindingScope, contact_ids: Sequence[int]
) -> LockedMapping:
    """Return the mapping rows of contacts, made where there were none, locked until the transaction ends."""
    ids = {**identity.parameters(), "contact_ids": sorted(str(contact_id) for contact_id in contact_ids)}
    connection.execute(statement("plan/mapping_register"), ids)
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(statement("plan/mapping_lock"), ids).fetchall()
    return LockedMapping(
        {(int(row["source_id"]), row["crm_kind"]): mapping_row(row) for row in rows},
        {int(row["source_id"]): row["source_read_at"] for row in rows if row["crm_kind"] == "person"},
    )
