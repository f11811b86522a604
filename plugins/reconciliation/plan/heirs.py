"""Gives what a contact left in Krayin who is gone in Chatwoot to the one who has its address now."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chatwoot.source import SourceFilter
from chatwoot.streams import Stream
from statements import statement

from reconciliation.extract.merged_contacts import MergeEvidence, lost_contact
from reconciliation.plan.engine import withdraw
from reconciliation.store.mapping_store import MappingStore

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import psycopg
    from chatwoot.source import SourceSnapshot

    from reconciliation.store.binding_scope import BindingScope

log = logging.getLogger(__name__)
_CHUNK = 2_000


@dataclass(frozen=True, slots=True)
class Heir:
    """A contact that has the address of one that is `gone`, and whose person in Krayin is that one's.

    `operation_id` is its quarantined operation where it is not staged itself.
    """

    gone: int
    contact_id: int
    operation_id: int | None


def find_heirs(
    connection: psycopg.Connection, identity: BindingScope, run_id: int, snapshot: SourceSnapshot
) -> list[Heir]:
    """Return the heirs among the staged contacts and those quarantined because their person is another's.

    Whether that one is gone is asked in the snapshot in which the contacts were read. Who was merged into a
    third one, or is claimed by two, has no heir here.
    """
    claims: dict[int, dict[int, int | None]] = {}
    for owner, contact_id in _claimants(connection, identity, run_id):
        claims.setdefault(owner, {})[contact_id] = None
    for owner, contact_id, operation_id in connection.execute(
        statement("operation/claimants"), identity.parameters()
    ):
        claims.setdefault(owner, {}).setdefault(contact_id, operation_id)
    if not claims:
        return []
    there = snapshot.there(Stream.CONTACTS, SourceFilter(identity.account_id), sorted(claims))
    found = {
        owner: Heir(owner, *claim)
        for owner, claimants in claims.items()
        if owner not in there and len(claimants) == 1
        for claim in claimants.items()
    }
    store, evidence = MappingStore(connection), MergeEvidence(connection, identity, snapshot)
    went = evidence.survivors(
        [lost_contact(one, store.rows_of(identity, "contact", str(one)).get("person")) for one in found]
    )
    heirs = [one for owner, one in found.items() if went.get(owner, one.contact_id) == one.contact_id]
    evidence.transfer({one.gone: one.contact_id for one in heirs if one.gone in went})
    return heirs


def _claimants(
    connection: psycopg.Connection, identity: BindingScope, run_id: int
) -> Iterator[tuple[int, int]]:
    """Yield staged contacts that claim another's person: that contact's id, then theirs."""
    last = 0
    while True:
        chunk = {"run_id": run_id, "after": last, "size": _CHUNK}
        ids = [row[0] for row in connection.execute(statement("staged_contact/ids"), chunk)]
        if not ids:
            return
        claimed = {**identity.parameters(), "run_id": run_id, "contact_ids": ids}
        # Planned anew each time: a plan made while the tables were empty would scan them whole.
        yield from connection.execute(statement("mapping/claimants"), claimed, prepare=False)
        last = ids[-1]


def hand_over(connection: psycopg.Connection, identity: BindingScope, heirs: Iterable[Heir]) -> None:
    """Give the heirs the records, and plan those again that waited for them."""
    store = MappingStore(connection)
    for one in heirs:
        with connection.transaction():
            note_gone(connection, identity, "contact", [str(one.gone)])
            store.give_records(identity, store.rows_of(identity, "contact", str(one.gone)), one.contact_id)
            further = store.further_leads(identity, [one.gone])
            store.give_further_leads(
                identity, {source_id: row for source_id, (row, _) in further.items()}, one.contact_id
            )
            if one.operation_id is not None:
                connection.execute(statement("operation/try_again"), {"id": one.operation_id})
        log.info(
            "Contact %d is gone in Chatwoot: contact %d has its address and takes over its records.",
            one.gone,
            one.contact_id,
        )


def note_gone(
    connection: psycopg.Connection, identity: BindingScope, source_kind: str, source_ids: list[str]
) -> None:
    """Note that source records are gone in Chatwoot; what was planned for them is dropped."""
    records = {**identity.parameters(), "source_kind": source_kind, "source_ids": source_ids}
    withdraw(connection, identity, source_kind, source_ids)
    connection.execute(statement("mapping/orphan"), records)
    if source_kind == "contact":
        forgotten = {**identity.parameters(), "contact_ids": [int(one) for one in source_ids]}
        connection.execute(statement("organization_member/forget"), forgotten)
