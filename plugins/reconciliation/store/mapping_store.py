"""The rows of the mapping table, as the loader reads and writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg.errors import UniqueViolation
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb
from pydantic import TypeAdapter
from statements import statement

from reconciliation.model.desired_contact import further_lead, inbox_of
from reconciliation.store.mapping_row import MappingRow, MappingState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    import psycopg

    from reconciliation.store.binding_scope import BindingScope
    from reconciliation.store.ledger import Operation

mapping_row: Callable[[Mapping[str, Any]], MappingRow] = TypeAdapter(MappingRow).validate_python
"""Returns a mapping row from a database row as a dictionary."""


class AlreadyMappedError(Exception):
    """A Krayin record belongs to another source record."""

    def __init__(self, crm_kind: str, crm_id: int) -> None:
        self.crm_kind = crm_kind
        self.crm_id = crm_id
        super().__init__(f"{crm_kind} {crm_id}")


class MappingStore:
    """Reads and writes mapping rows over a connection in autocommit mode."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection

    def rows_of(self, identity: BindingScope, source_kind: str, source_id: str) -> dict[str, MappingRow]:
        """Return the mapping rows of one source record by CRM kind."""
        record = {**identity.parameters(), "source_kind": source_kind, "source_ids": [source_id]}
        with self._connection.cursor(row_factory=dict_row) as cursor:
            rows = cursor.execute(statement("mapping/of_record"), record).fetchall()
        return {row["crm_kind"]: mapping_row(row) for row in rows}

    def further_leads(
        self, identity: BindingScope, contact_ids: Iterable[int]
    ) -> dict[str, tuple[MappingRow, datetime | None]]:
        """Return the leads of some contacts for further inboxes, by source id, each with its `active_at`."""
        contacts = {**identity.parameters(), "contact_ids": [str(one) for one in contact_ids]}
        with self._connection.cursor(row_factory=dict_row) as cursor:
            rows = cursor.execute(statement("mapping/further_leads"), contacts).fetchall()
        return {row["source_id"]: (mapping_row(row), row["active_at"]) for row in rows}

    def give_further_leads(self, identity: BindingScope, rows: Mapping[str, MappingRow], heir: int) -> None:
        """Give a contact's leads for further inboxes, by source id, to one that has none of an inbox."""
        for source_id, row in rows.items():
            own = further_lead(heir, inbox_of(source_id) or 0)
            self._give(identity, "lead", own, {"lead": row})

    def give_records(self, identity: BindingScope, rows: Mapping[str, MappingRow], heir: int) -> None:
        """Give the records of a contact that is gone, by its mapping rows, to one that has none of a kind."""
        self._give(identity, "contact", str(heir), rows)

    def _give(
        self, identity: BindingScope, source_kind: str, heir: str, rows: Mapping[str, MappingRow]
    ) -> None:
        own = {**identity.parameters(), "source_kind": source_kind, "source_ids": [heir]}
        self._connection.execute(statement("mapping/register"), {**own, "crm_kinds": sorted(rows)})
        heirs = self.rows_of(identity, source_kind, heir)
        for kind, row in rows.items():
            if row.crm_id is not None and heirs[kind].state is not MappingState.LINKED:
                pair = {"loser": row.id, "survivor": heirs[kind].id}
                self._connection.execute(statement("mapping/adopt_record"), pair)
        settled = {"ids": [row.id for row in rows.values()], "erased": False}
        self._connection.execute(statement("mapping/settled"), settled)

    def link(  # noqa: PLR0913 - the columns of one row
        self,
        operation: Operation,
        crm_kind: str,
        crm_id: int,
        origin: str,
        *,
        acked_hash: bytes | None = None,
        last_sent: Mapping[str, Any] | None = None,
        crm_created_at: datetime | None = None,
        made_in_stage: int | None = None,
    ) -> None:
        """Note which Krayin record an operation's source record is, and what was written to it if anything.

        `crm_created_at` is when Krayin says that it was made, if that was seen, `made_in_stage` the stage in
        which we made a lead.

        Raises:
            AlreadyMappedError: the Krayin record belongs to another source record.
        """
        try:
            with self._connection.transaction():
                self._connection.execute(
                    statement("mapping/link"),
                    {
                        **operation.record(crm_kind, crm_id),
                        "origin": origin,
                        "acked_hash": acked_hash,
                        "last_sent": None if last_sent is None else Jsonb(dict(last_sent)),
                        "crm_created_at": crm_created_at,
                        "made_in_stage": made_in_stage,
                    },
                )
        except UniqueViolation as error:
            raise AlreadyMappedError(crm_kind, crm_id) from error

    def ack(self, row_id: int, acked_hash: bytes | None, last_sent: Mapping[str, Any]) -> None:
        """Note what Krayin accepted for a linked record; `acked_hash` stays while more is to be sent."""
        self._connection.execute(
            statement("mapping/acknowledge"),
            {"id": row_id, "acked_hash": acked_hash, "last_sent": Jsonb(dict(last_sent))},
        )

    def attempt(self, row: MappingRow, base: Mapping[str, Any] | None, changes: Mapping[str, Any]) -> None:
        """Note that an update is about to write `changes` over `base` (what we sent so far)."""
        self._connection.execute(
            statement("mapping/pending_write"),
            {
                "id": row.id,
                "last_sent": None if base is None else Jsonb(dict(base)),
                "pending_write": Jsonb(dict(changes)),
            },
        )

    def note_tags(self, row: MappingRow, tags: Mapping[str, int]) -> None:
        """Note which tags, by name, a linked record has from us."""
        given = Jsonb({"crm_id": row.crm_id, "tags": dict(tags)})
        self._connection.execute(statement("mapping/tags_given"), {"id": row.id, "given_tags": given})

    def seen_before(self, target_id: int, person_ids: Sequence[int], moment: datetime) -> set[int]:
        """Return which of some Krayin persons are known to have been there before `moment` (aware)."""
        rows = self._connection.execute(
            statement("crm_snapshot/seen_before"),
            {"target_id": target_id, "crm_ids": list(person_ids), "moment": moment},
        )
        return {int(row[0]) for row in rows}

    def set_state(self, row_id: int, state: MappingState) -> None:
        """Note that a record is gone in Krayin, or to be made anew."""
        self._connection.execute(statement("mapping/state"), {"id": row_id, "state": str(state)})

    def link_organization(
        self, identity: BindingScope, folded_name: str, crm_id: int, *, is_made: bool
    ) -> str | None:
        """Note which organization a company is; an address planned for it may then be sent.

        `is_made` says that the write which named it made it. Return its origin if it was not linked before.
        """
        row = self._connection.execute(
            statement("mapping/link_organization"),
            {
                **identity.parameters(),
                "folded_name": folded_name,
                "crm_id": crm_id,
                "origin": "created" if is_made else "adopted",
            },
        ).fetchone()
        return None if row is None else str(row[0])

    def owners(self, target_id: int, crm_kind: str, crm_ids: Iterable[int]) -> dict[int, str]:
        """Return whose some Krayin records are, in words, by CRM id; records of nobody are absent."""
        rows = self._connection.execute(
            statement("mapping/mapped_to"),
            {"target_id": target_id, "crm_kind": crm_kind, "crm_ids": list(crm_ids)},
        )
        return {row[0]: f"{row[2]} {row[3]} of account {row[1]}" for row in rows}


def known_names(
    connection: psycopg.Connection, target_id: int, organization_ids: Iterable[int | None]
) -> dict[int, list[str]]:
    """Return by organization under which folded names we know it; unknown ones are absent."""
    ids = sorted({one for one in organization_ids if one})
    if not ids:
        return {}
    rows = connection.execute(statement("mapping/company_names"), {"target_id": target_id, "crm_ids": ids})
    return dict(rows.fetchall())


def erased_among(
    connection: psycopg.Connection, identity: BindingScope, contact_ids: Iterable[int]
) -> frozenset[int]:
    """Return which of some contacts were erased and not allowed back."""
    rows = connection.execute(
        statement("erasure/erased"),
        {**identity.parameters(), "contact_ids": [str(contact_id) for contact_id in contact_ids]},
    )
    return frozenset(int(row[0]) for row in rows)
