"""Reads another Krayin whole, plans what becomes of our bindings, and carries that out once approved."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from krayin.text import fold_name
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb
from statements import statement

from reconciliation.admin.relink import Action, Binding, Record, relink
from reconciliation.crm.fields import (
    ACTIVITIES,
    ACTIVITY,
    LEAD,
    LEADS,
    ORGANIZATION,
    ORGANIZATIONS,
    PERSON,
    persons,
)
from reconciliation.crm.lineage import ANOTHER_KRAYIN
from reconciliation.crm.snapshot import RecordSnapshot
from reconciliation.errors import RecoveryRequestError
from reconciliation.model.activity import activity_key, short_name
from reconciliation.model.contact import natural_keys
from reconciliation.model.desired_activity import KEY
from reconciliation.model.desired_contact import contact_of
from reconciliation.model.happened import Happened
from reconciliation.model.templates import page
from reconciliation.store.connection import working
from reconciliation.store.incidents import close_incidents, open_incident
from reconciliation.store.run_rows import count_calls

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import psycopg
    from krayin.client import KrayinClient

    from reconciliation.admin.relink import Decision
    from reconciliation.crm.fields import Listing
    from reconciliation.run.sync_run import Sync

log = logging.getLogger(__name__)

RECOVERY = "recovery"
"""The kind of the incident that stops a Krayin's syncs from the reading to the answer."""
NOUNS = {PERSON: "persons", LEAD: "leads", ORGANIZATION: "organizations", ACTIVITY: "activities"}


_SHOWN: Mapping[str, Callable[[Decision], bool]] = {
    "kept": lambda one: one.action is Action.KEEP,
    "relinked": lambda one: one.action is Action.RELINK,
    "gone": lambda one: one.action is Action.UNLINK,
    "foreign": lambda one: one.is_foreign,
}


@dataclass(frozen=True, slots=True)
class RecoveryPlan:
    """A recovery that waits for its answer: numbers by kind of record.

    Attributes:
        kept: there under the id we knew.
        relinked: there under another id.
        gone: not there.
        foreign: ids of ours that are somebody else's records; these are never touched.
        calls: what reading Krayin took.
        again_calls: what making again what is gone will take, 0 when nothing is to be.
    """

    recovery_id: int
    krayin: str
    happened: Happened
    make_again: bool
    kept: Mapping[str, int]
    relinked: Mapping[str, int]
    gone: Mapping[str, int]
    foreign: Mapping[str, int]
    calls: int
    again_calls: int
    requests_per_minute: int

    @property
    def subject(self) -> str:
        """One line."""
        return f"{self.krayin} was {self.happened}: may our records be relinked?"

    @property
    def body(self) -> str:
        """The plan in Markdown."""
        seconds = self.again_calls * 60 / self.requests_per_minute
        return page("recovery.md.j2", plan=self, nouns=NOUNS, seconds=seconds)

    @property
    def summary(self) -> str:
        """The numbers in words."""
        numbers = {
            "there": self.kept,
            "under another id": self.relinked,
            "gone": self.gone,
            "somebody else's now": self.foreign,
        }
        return ", ".join(f"{sum(one.values())} {words}" for words, one in numbers.items())

    def to_json(self) -> dict[str, Any]:
        """Return the numbers for `recovery.shown`."""
        counts = {name: dict(getattr(self, name)) for name in _SHOWN}
        return {**counts, "calls": self.calls, "forecast_calls": self.again_calls}


class _Reading(RecordSnapshot[Any]):
    """The whole reading of one list, which also gives what is needed of each record."""

    def __init__(
        self, connection: psycopg.Connection, client: KrayinClient, target_id: int, listing: Listing[Any]
    ) -> None:
        super().__init__(connection, client, target_id, listing, is_doubted=True)
        self.records: dict[int, Record] = {}

    def record(self, records: Sequence[Any]) -> None:
        super().record(records)
        for one in records:
            keys = frozenset(self._listing.keys(one, self._listing.facts(one)))
            self.records[one.id] = _record(self._listing.crm_kind, one, keys)


def plan_recovery(
    sync: Sync,
    happened: Happened,
    *,
    make_again: bool = True,
    former_address: str | None = None,
) -> RecoveryPlan:
    """Read a sync's Krayin whole and plan what becomes of everything that is bound to it.

    Every sync to it is stopped from now until the answer. `former_address` is where a moved Krayin was
    known until now, None for the one that the sync was run with last.

    Raises:
        RecoveryRequestError: it was moved, and no Krayin is known that it could have been before.
        KrayinError, SyncDatabaseError: as `Sync.plan`.
    """
    name = sync.settings.name
    with (
        working(sync.sync_dsn) as connection,
        sync.beside_runs(connection, fresh=True) as (run_id, krayin),
    ):
        target_id, present_id = krayin.target_id, krayin.target_id
        if happened is Happened.MOVED:
            target_id = _former_target(connection, name, present_id, former_address)
        for stopped in {target_id, present_id}:
            sentence = f"A recovery of {krayin.client.base_url} is being planned: nothing is written to it"
            open_incident(connection, kind=RECOVERY, sentence=sentence, facts={}, target_id=stopped)
        region = sync.settings.default_phone_region
        records = _read_whole(connection, krayin.client, target_id, region)
        decisions = relink(_bindings(connection, target_id, region), records)
        counts = {
            name: dict(Counter(one.crm_kind for one in decisions if wanted(one)))
            for name, wanted in _SHOWN.items()
        }
        plan = RecoveryPlan(
            recovery_id=0,
            krayin=krayin.client.base_url,
            happened=happened,
            make_again=make_again,
            **counts,
            calls=count_calls(connection, run_id)["calls"],
            again_calls=_calls_again(decisions) if make_again else 0,
            requests_per_minute=krayin.requests_per_minute,
        )
        return _keep(connection, plan, decisions, target_id, present_id)


def answer_recovery(sync_dsn: str, recovery_id: int, *, approved: bool, decided_by: str) -> None:
    """Carry out a planned recovery in one transaction and let the syncs go on, or keep everything as it is.

    Declined, the syncs stay stopped. A repetition does nothing.
    """
    with working(sync_dsn) as connection:
        with connection.transaction():
            row = connection.execute(statement("recovery/read"), {"recovery_id": recovery_id}).fetchone()
            if row is None:
                return
            target_id, moved_from, happened = row
            decision = {"recovery_id": recovery_id, "decided_by": decided_by}
            if not approved:
                connection.execute(statement("recovery/decide"), {**decision, "state": "declined"})
                return
            parameters = {
                "recovery_id": recovery_id,
                "target_id": target_id,
                "restored": happened == Happened.RESTORED,
            }
            for name in (
                "mapping/unlink",
                "mapping/relink",
                "mapping/restage",
                "operation/replan",
                "activity_mark/forget",
                "removal/forget",
                "watermark/compare_all",
            ):
                connection.execute(statement(name), parameters)
            if moved_from is not None:
                ids = {"former_id": target_id, "present_id": moved_from}
                connection.execute(statement("operation/move_target"), ids)
                for one in (moved_from, target_id):
                    connection.execute(statement("krayin_target/readdress"), {**ids, "id": one})
            connection.execute(statement("recovery/decide"), {**decision, "state": "done"})
        _close(connection, [target_id, moved_from], decided_by, f"recovery {recovery_id} was carried out")


def declare_false_alarm(sync: Sync, *, by: str) -> int:
    """Note that a sync's Krayin is the one we knew, whatever was seen; return how many incidents that ends.

    What was known of it until now is not held against it any more.
    """
    with working(sync.sync_dsn) as connection, sync.open_krayin(connection) as krayin:
        connection.execute(statement("mapping/accept_links"), {"target_id": krayin.target_id})
        return _close(connection, [krayin.target_id], by, "it is the same Krayin")


def _close(connection: psycopg.Connection, targets: Iterable[int | None], by: str, why: str) -> int:
    return sum(
        close_incidents(connection, kind=kind, target_id=target_id, by=by, why=why)
        for target_id in targets
        if target_id is not None
        for kind in (ANOTHER_KRAYIN, RECOVERY)
    )


def _former_target(
    connection: psycopg.Connection, sync_name: str, present_id: int, address: str | None
) -> int:
    row = connection.execute(
        statement("krayin_target/former"),
        {
            "sync_name": sync_name,
            "target_id": present_id,
            "base_url": address.strip().rstrip("/") if address and address.strip() else None,
        },
    ).fetchone()
    if row is None:
        raise RecoveryRequestError(sync_name)
    log.info("Krayin was known at %s until now.", row[1])
    return int(row[0])


def _read_whole(
    connection: psycopg.Connection, client: KrayinClient, target_id: int, phone_region: str | None
) -> dict[str, dict[int, Record]]:
    """Read all persons, leads, organizations and activities, and forget what is not there of them."""
    connection.execute(statement("crm_snapshot/forget_reading"), {"target_id": target_id})
    found: dict[str, dict[int, Record]] = {}
    lists: tuple[Listing[Any], ...] = (persons(phone_region), LEADS, ORGANIZATIONS, ACTIVITIES)
    for listing in lists:
        reading = _Reading(connection, client, target_id, listing)
        began = reading.read_fully()
        connection.execute(
            statement("crm_snapshot/forget_record"),
            {"target_id": target_id, "crm_kind": listing.crm_kind, "began": began},
        )
        found[listing.crm_kind] = reading.records
    return found


def _record(crm_kind: str, shown: Any, keys: frozenset[str]) -> Record:
    """Return what is needed of a record; `keys` are those by which its list is searched."""
    match crm_kind:
        case "person":
            # A made-up address is nobody else's.
            keys |= {f"email:{row.value.casefold()}" for row in shown.emails}
            return Record(shown.id, shown.created_at, keys, name=shown.name)
        case "lead":
            return Record(shown.id, shown.created_at, _mark(shown.description), shown.person_id)
        case "organization":
            return Record(shown.id, shown.created_at, frozenset({fold_name(shown.name)}))
        case _:
            return Record(shown.id, shown.created_at, keys, name=shown.title)


def _bindings(connection: psycopg.Connection, target_id: int, phone_region: str | None) -> list[Binding]:
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(statement("mapping/bindings"), {"target_id": target_id}).fetchall()
    given_again = set(connection.execute(statement("operation/given_again"), {"target_id": target_id}))
    return [
        Binding(
            row_id=row["id"],
            contact=(row["scope_id"], _owner(row)),
            crm_kind=row["crm_kind"],
            crm_id=row["crm_id"],
            created_at=row["crm_created_at"],
            keys=_keys(row, phone_region),
            name=(row["last_sent"] or {}).get("title" if row["crm_kind"] == ACTIVITY else "name"),
            was_given_again=(row["crm_kind"], row["crm_id"]) in given_again,
            former=tuple(row["former_crm_ids"]),
            was_deleted=row["was_deleted"],
        )
        for row in rows
    ]


def _owner(row: Mapping[str, Any]) -> str:
    """Return the contact of a lead for a further inbox, else the source record itself."""
    source_id: str = row["source_id"]
    return str(contact_of(source_id)) if row["source_kind"] == "lead" else source_id


def _keys(row: Mapping[str, Any], phone_region: str | None) -> frozenset[str]:
    """Return by what the record of a mapping row is found again."""
    match row["crm_kind"]:
        case "person":
            sent = [row["last_sent"] or {}, row["pending_write"] or {}]
            emails = [one for fields in sent for one in fields.get("emails") or ()]
            phones = [one for fields in sent for one in fields.get("phones") or ()]
            return frozenset(natural_keys(emails, phones, phone_region)) | {
                f"email:{one.casefold()}" for one in emails
            }
        case "lead":
            return _mark((row["last_sent"] or {}).get("description"))
        case "organization":
            return frozenset({row["source_id"]})
        case _:
            installation = short_name(row["installation"])
            key = activity_key(installation, row["source_kind"], row["account_id"], row["source_id"])
            return frozenset({f"{KEY}:{key}"})


def _mark(description: str | None) -> frozenset[str]:
    """Return the line by which we know our own lead, none without one."""
    line = (description or "").partition("\n")[0].strip()
    return frozenset({line} if line else ())


def _calls_again(decisions: Iterable[Decision]) -> int:
    """Return how many calls making what is gone again takes: a person comes with its lead."""
    gone = Counter(one.crm_kind for one in decisions if one.action is Action.UNLINK)
    return max(gone[PERSON], gone[LEAD]) + gone[ACTIVITY]


def _keep(
    connection: psycopg.Connection,
    plan: RecoveryPlan,
    decisions: Sequence[Decision],
    target_id: int,
    present_id: int,
) -> RecoveryPlan:
    """Store a plan and show it with the incident; return it with its number."""
    with connection.transaction():
        row = connection.execute(
            statement("recovery/plan"),
            {
                "target_id": target_id,
                "moved_from": None if present_id == target_id else present_id,
                "happened": plan.happened,
                "make_again": plan.make_again,
                "shown": Jsonb(plan.to_json()),
            },
        ).fetchone()
        assert row is not None
        plan = replace(plan, recovery_id=row[0])
        with connection.cursor() as cursor, cursor.copy(statement("recovery/item")) as copy:
            for one in decisions:
                copy.write_row(
                    (
                        plan.recovery_id,
                        one.row_id,
                        str(one.action),
                        one.crm_id,
                        one.created_at,
                        one.origin if one.action is Action.RELINK else None,
                        list(one.former),
                    )
                )
    for stopped in {target_id, present_id}:
        open_incident(
            connection,
            kind=RECOVERY,
            sentence=f"Recovery {plan.recovery_id} of {plan.krayin} waits for an answer under Required "
            f"Actions ({plan.summary}): nothing is written to it",
            facts=plan.to_json(),
            target_id=stopped,
        )
    return plan
