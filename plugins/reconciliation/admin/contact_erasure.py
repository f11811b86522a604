"""Erases one contact on request: its records in Krayin, then everything the sync database holds of it."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from chatwoot.source import ByIds, SourceFilter
from krayin.records import Person
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb
from statements import statement

from reconciliation.admin.pii_values import in_bytes, traces_of, without
from reconciliation.crm.fields import person_facts
from reconciliation.crm.lineage import Lineage
from reconciliation.errors import ErasureWaitsError
from reconciliation.extract.streams import ACTIVITIES
from reconciliation.store.binding_scope import BindingScope, register_installation, register_scope
from reconciliation.store.connection import working
from reconciliation.store.incidents import require_no_incident

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import psycopg
    from krayin.client import KrayinClient

    from reconciliation.crm.person_deletions import PersonDeletions
    from reconciliation.run.sync_run import Sync

log = logging.getLogger(__name__)

# A reading of Krayin's lists that began before a deletion has ended by then.
READINGS_END = timedelta(days=7)
# Where rows of a contact lie, beside what the webhooks brought and the examples of runs.
TABLES = (
    "mapping", "operation", "organization_member", "write_back", "merge_evidence", "removal",
    "staged_contact", "staged_activity", "finding", "decision", "out_of_scope",
)  # fmt: skip


@dataclass(slots=True)
class Receipt:
    """What an erasure did: ids of Krayin records by kind, numbers of rows; nothing of the person.

    `kept` are records that were not made by a sync and were not to be erased, `merged` other contacts
    that Chatwoot merged with this one and whose records a sync may know still, `alike` persons in Krayin
    that have its e-mail or phone and are not linked to it.
    """

    deleted: dict[str, list[int]] = field(default_factory=dict)
    kept: dict[str, list[int]] = field(default_factory=dict)
    cleared: Counter[str] = field(default_factory=Counter)
    merged: list[int] = field(default_factory=list)
    alike: list[int] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return the receipt for the sync database."""
        return {
            "deleted": self.deleted,
            "kept": self.kept,
            "merged": self.merged,
            "alike": self.alike,
            "cleared": dict(self.cleared),
        }

    def lines(self) -> list[str]:
        """Return the receipt for a log."""
        shown = [f"deleted in Krayin: {kind} {_listed(ids)}" for kind, ids in self.deleted.items()]
        shown += [
            f"KEPT in Krayin: {kind} {_listed(ids)}, not made by this sync: start the erasure again with "
            f"'Also what the sync did not make' to delete it"
            for kind, ids in self.kept.items()
        ]
        if self.merged:
            shown.append(
                f"MERGED in Chatwoot with contact {_listed(self.merged)}: what was theirs is untouched; "
                f"start an erasure for each of them too"
            )
        if self.alike:
            shown.append(
                f"NOT LINKED in Krayin: person {_listed(self.alike)} had its e-mail or phone: look there"
            )
        shown += [f"cleared: {number} of {table}" for table, number in sorted(self.cleared.items())]
        return shown


@dataclass(frozen=True, slots=True)
class _Known:
    """The mapping rows of a contact, and of what was said with it."""

    rows: Sequence[Mapping[str, Any]]
    conversation_ids: Sequence[str]
    message_ids: Sequence[str]
    kept: Mapping[str, Sequence[int]]

    def made(self, kind: str) -> set[int]:
        """Return the Krayin ids of one kind that a sync created."""
        made = {
            row["crm_id"]
            for row in self.rows
            if row["crm_kind"] == kind and row["crm_id"] is not None and row["origin"] == "created"
        }
        return made | (self._former(kind, "former_crm_ids") - self._former(kind, "former_adopted_ids"))

    def all(self, kind: str) -> set[int]:
        """Return all its Krayin ids of one kind, adopted ones and those an earlier erasure kept too."""
        return (
            self.made(kind)
            | self._former(kind, "former_adopted_ids")
            | set(self.kept.get(kind, ()))
            | {row["crm_id"] for row in self.rows if row["crm_kind"] == kind and row["crm_id"] is not None}
        )

    def _former(self, kind: str, column: str) -> set[int]:
        return {one for row in self.rows if row["crm_kind"] == kind for one in row[column]}


def erase(sync: Sync, contact_id: int, *, also_adopted: bool) -> Receipt:
    """Erase a contact from Krayin and the sync database; a repetition goes on where the last one ended.

    Deleted are the records that a sync made, with `also_adopted` all of the contact's person: leads
    first, because Krayin 2.1.5 destroys a person's data without deleting the person while there are
    leads. Organizations stay. No sync brings the contact back until `unerase`.

    Raises:
        IncidentOpenError: this may be another Krayin than the one we knew; nothing was deleted.
        ErasureWaitsError: a call for the contact is being made, or its outcome is open; try again later.
        KrayinError, ChatwootError, SyncDatabaseError: as `Sync.plan`.
    """
    settings = sync.settings
    with working(sync.sync_dsn) as connection, sync.beside_runs(connection) as (_, krayin):
        require_no_incident(connection, sync_name=settings.name, target_id=krayin.target_id)
        identity, said = _look_up(sync, connection, krayin.target_id, contact_id)
        erasure = _Erasure(
            connection, identity, settings.name, contact_id, krayin.client, krayin.deletions, said
        )
        receipt = erasure.run(also_adopted=also_adopted)
    for line in receipt.lines():
        log.info("Contact %d: %s", contact_id, line)
    return receipt


def unerase(connection: psycopg.Connection, identity: BindingScope, contact_id: int) -> bool:
    """Let syncs bring an erased contact over again; tell whether it was erased."""
    done = connection.execute(
        statement("erasure/lift"), {**identity.parameters(), "contact_id": str(contact_id)}
    )
    return done.rowcount > 0


def identity_of(sync: Sync, connection: psycopg.Connection) -> BindingScope:
    """Return the ids of a sync's target, installation and account; Krayin is asked at most once an hour."""
    with sync.open_krayin(connection) as krayin, sync.source.snapshot() as snapshot:
        installation = register_installation(connection, snapshot.installation)
        return register_scope(connection, krayin.target_id, installation, sync.settings.chatwoot.account_id)


def _look_up(
    sync: Sync, connection: psycopg.Connection, target_id: int, contact_id: int
) -> tuple[BindingScope, dict[str, set[str]]]:
    """Return who is meant, and the ids of what Chatwoot still has of their conversations."""
    with sync.source.snapshot() as snapshot:
        account_id = sync.settings.chatwoot.account_id
        installation = register_installation(connection, snapshot.installation)
        identity = register_scope(connection, target_id, installation, account_id)
        scope, contact = SourceFilter(account_id, None), ByIds(frozenset({contact_id}))
        return identity, {
            spec.kind: {str(one.key) for chunk in snapshot.rows(spec.stream, scope, contact) for one in chunk}
            for spec in ACTIVITIES
        }


@dataclass(frozen=True, slots=True)
class _Erasure:
    connection: psycopg.Connection
    identity: BindingScope
    sync_name: str
    contact_id: int
    client: KrayinClient
    deletions: PersonDeletions
    said: Mapping[str, set[str]]

    def run(self, *, also_adopted: bool) -> Receipt:
        erasure_id, done = self._begin()
        receipt = Receipt(deleted={kind: list(ids) for kind, ids in done.get("deleted", {}).items()})
        kept = done.get("kept", {})
        receipt.merged = self._merged(done.get("merged", ()))
        person_ids = sorted(self._known((), kept).all("person"))
        activity_ids = [
            one.id for person in person_ids for one in self.client.activities_of("person", person)
        ]
        known = self._known(activity_ids, kept)
        persons = self.client.by_ids(Person, person_ids)
        Lineage(self.connection, self.client, self.identity.target_id).shown("person", person_ids, persons)
        alike = self._execute(
            "operation/natural_keys_alike", person_ids=sorted({*person_ids, *known.all("person")})
        )
        receipt.alike = sorted({*done.get("alike", ()), *(row[0] for row in alike)})
        traces = traces_of([*map(person_facts, persons), *self._stored(known)])
        self._delete(known, activity_ids, erasure_id, receipt, also_adopted=also_adopted)
        with self.connection.transaction():
            self._clear(known, traces, receipt)
            self._note(erasure_id, receipt, finished=True)
            self._execute("crm_snapshot/erase", since=READINGS_END)
        return receipt

    def _begin(self) -> tuple[int, Mapping[str, Any]]:
        """Keep the contact away from all syncs from now on, and wait for nobody who is writing it."""
        chunk = {
            **self.identity.parameters(),
            "source_kind": "contact",
            "source_ids": [str(self.contact_id)],
            "crm_kinds": ["lead", "person"],
        }
        with self.connection.transaction():
            # Planners hold these rows while they plan the contact, and look for erasures afterwards.
            self.connection.execute(statement("mapping/register"), chunk)
            self.connection.execute(statement("mapping/lock"), chunk)
            row = self._execute("erasure/begin", sync_name=self.sync_name).fetchone()
            assert row is not None
            self._execute("operation/withdraw_of_contact")
        busy = self._execute("operation/busy_of_contact").fetchone()
        if busy and busy[0]:
            raise ErasureWaitsError(self.contact_id, busy[0])
        return row[0], row[1]

    def _merged(self, before: Iterable[int]) -> list[int]:
        """Return with whom the contact was merged, as far as it is known; `before` by an earlier try."""
        found = {
            survivor if is_loser else loser
            for loser, is_loser, survivor in self._execute("mapping/merged_with")
        }
        return sorted({*before, *found})

    def _known(self, activity_ids: Iterable[int], kept: Mapping[str, Sequence[int]]) -> _Known:
        said = {kind: set(ids) for kind, ids in self.said.items()}
        for kind, source_id in self._execute("mapping/activities_of_contact"):
            said[kind].add(source_id)
        ids = {
            "conversation_ids": sorted(said["conversation"]),
            "message_ids": sorted(said["message"]),
        }
        with self.connection.cursor(row_factory=dict_row) as cursor:
            rows = cursor.execute(
                statement("mapping/records_of_contact"),
                {**self._contact, **ids, "activity_ids": list(activity_ids)},
            ).fetchall()
        return _Known(rows, **ids, kept=kept)

    def _stored(self, known: _Known) -> list[Mapping[str, Any] | None]:
        """Return what the sync database holds of the contact's person and lead."""
        stored = [row[what] for row in known.rows for what in ("last_sent", "pending_write")]
        stored += [record for row in self._execute("operation/payloads_of_contact") for record in row]
        for kind in ("person", "lead"):
            facts = self._execute(
                "crm_snapshot/facts_of_records", crm_kind=kind, crm_ids=sorted(known.all(kind))
            )
            stored += [row[0] for row in facts]
        return stored

    def _delete(
        self,
        known: _Known,
        activity_ids: Sequence[int],
        erasure_id: int,
        receipt: Receipt,
        *,
        also_adopted: bool,
    ) -> None:
        persons = known.all("person")
        leads = {lead.id for lead in self.client.leads_of_persons(sorted(persons))} if persons else set()
        meant = {
            "lead": leads | known.all("lead") if also_adopted else known.made("lead"),
            "person": persons if also_adopted else known.made("person"),
        }
        if leads - meant["lead"]:
            # Krayin cannot delete the person before these.
            meant["person"] = set()
        # Krayin keeps notes and its own log of changes when a person goes.
        meant["activity"] = known.made("activity") | (set(activity_ids) if meant["person"] else set())
        receipt.kept = {
            kind: sorted(ids)
            for kind, ids in {
                "lead": (leads | known.all("lead")) - meant["lead"],
                "person": persons - meant["person"],
            }.items()
            if ids
        }
        # Before anything is deleted: what is left of a person whose deletion must wait is nobody's.
        permits = [self.deletions.permit() for _ in meant["person"]]
        delete: dict[str, Callable[[int], object]] = {
            "activity": self.client.delete_activity,
            "lead": self.client.delete_lead,
            "person": lambda person: self.deletions.delete(person, permits.pop()),
        }
        for kind, one_by_one in delete.items():
            for crm_id in sorted(meant[kind]):
                one_by_one(crm_id)
                receipt.deleted.setdefault(kind, [])
                receipt.deleted[kind] = sorted({*receipt.deleted[kind], crm_id})
            self._note(erasure_id, receipt, finished=False)

    def _clear(self, known: _Known, traces: Sequence[str], receipt: Receipt) -> None:
        sync_names = [self.sync_name, *(row[0] for row in self._execute("erasure/syncs"))]
        meant = {
            "ids": [row["id"] for row in known.rows],
            "conversation_ids": known.conversation_ids,
            "message_ids": known.message_ids,
            "sync_names": sync_names,
            "entity": f"contact:{self.contact_id}",
            "values": [spelling for value in traces for spelling in in_bytes(value)],
        }
        for table in TABLES:
            receipt.cleared[table] += self._execute(f"{table}/erase", **meant).rowcount
        receipt.cleared["inbox_event"] += self._execute("webhook/erase", **meant).rowcount
        receipt.cleared["sync_run"] += self._execute("sync_run/forget_examples", **meant).rowcount
        for table, by_sync in {"operation": False, "finding": False, "sync_run": True}.items():
            scope = {"sync_names": sync_names} if by_sync else {}
            receipt.cleared[table] += self._replace(table, traces, **scope)

    def _replace(self, table: str, traces: Sequence[str], **scope: Any) -> int:
        """Take the values of the erased contact out of the rows of others; return how many rows had any."""
        replaced = 0
        for row_id, text, document in self._execute(f"{table}/naming", values=list(traces), **scope):
            there = without(text, traces), without(document, traces)
            if there != (text, document):
                self.connection.execute(
                    statement(f"{table}/rewrite"),
                    {"id": row_id, "text": there[0], "document": Jsonb(there[1])},
                )
                replaced += 1
        return replaced

    def _note(self, erasure_id: int, receipt: Receipt, *, finished: bool) -> None:
        self._execute("erasure/finish", id=erasure_id, receipt=Jsonb(receipt.to_json()), finished=finished)

    @property
    def _contact(self) -> dict[str, Any]:
        return {**self.identity.parameters(), "contact_id": str(self.contact_id)}

    def _execute(self, name: str, **parameters: Any) -> psycopg.Cursor[Any]:
        return self.connection.execute(statement(name), {**self._contact, **parameters})


def _listed(ids: Iterable[int]) -> str:
    return ", ".join(map(str, ids))
