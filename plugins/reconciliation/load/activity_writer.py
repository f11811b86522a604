"""Brings one conversation or message over as an activity: create, take over or update."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NoReturn

from krayin.errors import NotFound
from krayin.payloads import ActivityDraft, ActivityUpdate

from reconciliation.crm.fields import activity_sent
from reconciliation.mapping.comment import comment_mark
from reconciliation.mapping.desired_activity import KEY, DesiredActivity
from reconciliation.sync_database.ledger import OperationState, Outcome
from reconciliation.sync_database.mapping_row import MappingState
from reconciliation.sync_database.mapping_store import AlreadyMappedError
from reconciliation.values.timing import DEFAULT, Timing

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from datetime import datetime

    from krayin.client import KrayinClient
    from krayin.records import Activity

    from reconciliation.crm.lineage import Lineage
    from reconciliation.crm.own_activities import OwnActivities
    from reconciliation.load.activity_marks import ActivityMarks
    from reconciliation.settings.sync_settings import SyncSettings
    from reconciliation.sync_database.ledger import Ledger, Operation
    from reconciliation.sync_database.mapping_row import MappingRow
    from reconciliation.sync_database.mapping_store import MappingStore

log = logging.getLogger(__name__)

CREATE_ACTIVITY = "create_activity"
UPDATE_ACTIVITY = "update_activity"
# Krayin stores notes as done, whatever is sent, and everything else as not done.
BORN_DONE = frozenset({"note"})
# What the second of two updates brings.
_LAST = frozenset({"person", "is_done"})


class _Stop(Exception):  # noqa: N818 - carries an outcome through, nothing went wrong in this code
    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome
        super().__init__(str(outcome.state))


@dataclass(slots=True)
class _Work:
    """One operation while it is carried out; `link` are the records it hangs on, by CRM kind."""

    operation: Operation
    activity: DesiredActivity
    hash: bytes
    adopt: Mapping[str, Any] | None
    row: MappingRow | None
    person: MappingRow
    link: dict[str, int]
    created: bool = False
    result: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ActivityWriter:
    """Carries out the operations on conversations and messages of one sync.

    No activity of ours ever has participants: Krayin would e-mail them. One to which a salesperson added
    some is left alone while it has them.
    """

    client: KrayinClient
    ledger: Ledger
    store: MappingStore
    marks: ActivityMarks
    own: OwnActivities
    settings: SyncSettings
    lineage: Lineage
    timing: Timing = DEFAULT
    _shown: dict[int, Activity] = field(default_factory=dict)

    def prefetch(self, operations: Sequence[Operation]) -> None:
        """Read in bulk the activities that will be changed, to see what a salesperson did to them."""
        self.marks.make_full_calls()
        self._shown.clear()
        ids = {
            row.crm_id
            for operation in operations
            for row in self._rows(operation).values()
            if row.state is MappingState.LINKED
            and row.crm_id is not None
            and row.acked_hash != bytes.fromhex(operation.payload["hash"])
        }
        adopted = [operation.payload.get("adopt") or {} for operation in operations]
        ids |= {one["id"] for one in adopted if one.get("origin") == "created"}
        if ids:
            self._shown.update((one.id, one) for one in self._read(ids))

    def _read(self, ids: Collection[int]) -> list[Activity]:
        shown = self.client.activities_by_ids(ids)
        self.lineage.shown("activity", ids, shown)
        return shown

    def write(self, operation: Operation) -> Outcome:
        """Carry out one operation and return how it ended; what Krayin accepted is already recorded.

        Raises:
            KrayinError: a call failed; the loader decides how to go on.
            LeaseLostError: the operation passed to another worker.
        """
        try:
            work = self._begin(operation)
            if work.row is None or work.row.state is not MappingState.LINKED:
                if self._adopt_made(work):
                    self._update(work, repair=True)
                elif work.row is None or work.row.state is not MappingState.LINKED:
                    self._create(work)
            else:
                self._update(work)
        except _Stop as stop:
            return stop.outcome
        except AlreadyMappedError:
            return Outcome(
                OperationState.QUARANTINED,
                error_class="activity_taken",
                error_message="the Krayin activity with its key already belongs to another record: "
                "compare the two, then replay",
            )
        return Outcome(OperationState.DONE, result=work.result)

    def _rows(self, operation: Operation) -> dict[str, MappingRow]:
        rows = self.store.rows(operation.identity, operation.source_kind, [operation.source_id])
        return {kind: row for (_, kind), row in rows.items()}

    def _begin(self, operation: Operation) -> _Work:
        activity = DesiredActivity.from_json(operation.payload["activity"])
        contact = str(activity.contact_id)
        records = self.store.rows(operation.identity, "contact", [contact])
        person, lead = records.get((contact, "person")), records.get((contact, "lead"))
        if person is None or person.state is MappingState.ORPHANED:
            raise _Stop(_rejected("contact_gone", "its contact is not brought over any more"))
        if person.state is MappingState.GONE:
            if operation.step is not None:
                self._delete_leftovers(activity)
            raise _Stop(_rejected("deleted_in_krayin", "the person of its contact was deleted in Krayin"))
        if person.state is not MappingState.LINKED or person.crm_id is None:
            raise _Stop(_later("its contact is not linked to a person yet", self.timing))
        link: dict[str, int] = {}
        if self.settings.activity_link != "person":
            if lead is not None and lead.state is MappingState.LINKED and lead.crm_id is not None:
                link["lead"] = lead.crm_id
            elif lead is None or lead.state is not MappingState.GONE:
                raise _Stop(_later("its contact is not linked to a lead yet", self.timing))
        if self.settings.activity_link != "lead" or not link:
            link["person"] = person.crm_id
        return _Work(
            operation=operation,
            activity=activity,
            hash=bytes.fromhex(operation.payload["hash"]),
            adopt=operation.payload.get("adopt"),
            row=self._rows(operation).get("activity"),
            person=person,
            link=link,
        )

    # --- none known yet -----------------------------------------------------------------------

    def _adopt_made(self, work: _Work) -> bool:
        """Link what is in Krayin already; True when it must still be brought up to date."""
        if (
            work.row is not None
            and work.row.state is MappingState.GONE
            and not self.settings.recreate_deleted
        ):
            raise _Stop(_rejected("deleted_in_krayin", "the activity was deleted in Krayin"))
        if work.operation.step is not None:
            # A creation may have taken effect without our knowing, with the person there or not.
            self._require_person(work)
            ours = self.own.find_lost(work.activity.key, work.activity.title, work.link)
            if ours:
                self._link(work, ours[0].id, "created", None)
                self._shown[ours[0].id] = ours[0]
                work.result["activity"] = "created"
                return True
        adopt = work.adopt
        if adopt is None:
            return False
        if adopt["origin"] == "created":
            if adopt["id"] not in self._shown:
                self._shown.update((one.id, one) for one in self._read([adopt["id"]]))
            if adopt["id"] not in self._shown:
                return False
            self._link(work, adopt["id"], "created", None)
            work.result["activity"] = "adopted"
            return True
        try:
            self._link(
                work,
                adopt["id"],
                "adopted",
                {
                    "title": adopt["title"],
                    "comment": adopt["comment"],
                    "is_done": adopt["is_done"],
                    **work.link,
                },
            )
        except AlreadyMappedError:
            # Somebody else's meanwhile: ours is made.
            return False
        # What the earlier integration wrote stays until the conversation changes.
        self.store.ack(self._linked(work).id, work.hash, self._linked(work).last_sent or {})
        work.result["activity"] = "adopted"
        return False

    def _require_person(self, work: _Work) -> None:
        person_id = work.person.crm_id
        assert person_id is not None
        if self.client.persons_by_ids([person_id]):
            return
        self.store.set_state(work.person.id, MappingState.GONE)
        self._delete_leftovers(work.activity)
        raise _Stop(_rejected("deleted_in_krayin", "the person of its contact was deleted in Krayin"))

    def _delete_leftovers(self, activity: DesiredActivity) -> None:
        """Take away what a creation for a dead person left: Krayin fails, an activity of nobody stays."""
        for left in self.own.find_lost(activity.key, activity.title, {}):
            self.client.delete_activity(left.id)

    def _create(self, work: _Work) -> None:
        wanted = work.activity
        scheduled = {"schedule_from": wanted.start, "schedule_to": wanted.end}
        draft = ActivityDraft(
            type=wanted.type,
            title=wanted.title,
            comment=wanted.comment,
            additional={KEY: wanted.key},
            **({"lead_id": work.link["lead"]} if "lead" in work.link else {"person_id": work.link["person"]}),
            **({} if wanted.type == "note" else scheduled),
        )
        with self._intent(work, CREATE_ACTIVITY):
            created = self.client.create_activity(draft)
        both = len(work.link) > 1
        sent = activity_sent(wanted, {"lead": work.link["lead"]} if both else work.link)
        with self.lineage.linking(activity=created):
            acked = None if both else work.hash
            self._link(work, created.id, "created", sent, acked=acked, crm_created_at=created.created_at)
        work.result["activity"] = "created"
        if both:
            self._put(work, {"person": work.link["person"]}, ActivityUpdate(person_id=work.link["person"]))

    # --- one is known -------------------------------------------------------------------------

    def _update(self, work: _Work, *, repair: bool = False) -> None:
        """Write what differs; `repair` writes the link too, which a failed creation may lack."""
        row = self._linked(work)
        assert row.crm_id is not None
        if row.acked_hash == work.hash:
            return
        shown = self._shown.get(row.crm_id) or next(iter(self._read([row.crm_id])), None)
        if shown is None:
            self._lost(work, row)
        row = work.row = _after_attempt(row, shown)
        if shown.mails_participants:
            log.warning(
                "Krayin activity %d has participants, who would be mailed the change: it stays as it is",
                shown.id,
            )
            self._ack(work, {})
            work.result.setdefault("activity", "left_to_participants")
            return
        changes, update, is_done = self._changes(work, row, shown, repair=repair)
        differs = bool(update.to_body())
        if differs:
            self._put(work, changes, update, is_done=is_done)
        else:
            self._ack(work, changes, is_done=is_done)
        work.result.setdefault("activity", "updated" if differs or is_done is not None else "already_equal")

    def _changes(
        self, work: _Work, row: MappingRow, shown: Activity, *, repair: bool
    ) -> tuple[dict[str, Any], ActivityUpdate, bool | None]:
        wanted, sent = work.activity, activity_sent(work.activity, work.link)
        before = {**(row.last_sent or {})}
        keys: dict[str, Any] = {}
        # What is there as wanted counts as sent: the answer that would have told so was lost.
        changes = {name: sent[name] for name in _as_wanted(shown, sent) if name not in before}
        for name, present in (("title", shown.title), ("comment", comment_mark(shown.comment))):
            written = {before.get(name, present), (row.pending_write or {}).get(name), sent[name]}
            if present != sent[name] and (self.settings.on_crm_edit == "overwrite" or present in written):
                keys[name] = getattr(wanted, name)
                changes[name] = sent[name]
        if wanted.type != "note" and shown.type != "note":
            for name, moment in (("schedule_from", wanted.start), ("schedule_to", wanted.end)):
                if before.get(name) != sent[name]:
                    keys[name], changes[name] = moment, sent[name]
        for kind, crm_id in work.link.items():
            if repair or before.get(kind) != crm_id:
                keys[f"{kind}_id"], changes[kind] = crm_id, crm_id
        marked = before.get("is_done", shown.is_done)
        kept = self.settings.on_crm_edit == "keep" and shown.is_done != marked
        is_done = wanted.is_done if wanted.is_done != shown.is_done and not kept else None
        if is_done is not None:
            changes["is_done"] = is_done
        return changes, ActivityUpdate(**keys), is_done

    def _put(
        self, work: _Work, changes: Mapping[str, Any], update: ActivityUpdate, *, is_done: bool | None = None
    ) -> None:
        if update.lead_id is not None and update.person_id is not None:
            # Krayin 2.1.5 links the lead alone when both are named.
            first = {name: value for name, value in changes.items() if name not in _LAST}
            self._call_update(work, first, update.model_copy(update={"person_id": None}))
            self._ack(work, first, is_complete=False)
            work.row = self._rows(work.operation).get("activity")
            changes = {name: value for name, value in changes.items() if name in _LAST}
            update = ActivityUpdate(person_id=update.person_id)
        self._call_update(work, changes, update)
        self._ack(work, changes, is_done=is_done)

    def _call_update(self, work: _Work, changes: Mapping[str, Any], update: ActivityUpdate) -> None:
        row = self._linked(work)
        assert row.crm_id is not None

        def note() -> None:
            self.store.attempt(row, row.last_sent, changes)

        try:
            with self._intent(work, UPDATE_ACTIVITY, note):
                self.client.update_activity(row.crm_id, update)
        except NotFound:
            self._lost(work, row)

    def _ack(
        self,
        work: _Work,
        changes: Mapping[str, Any],
        *,
        is_done: bool | None = None,
        is_complete: bool = True,
    ) -> None:
        row = self._linked(work)
        assert row.crm_id is not None
        with self.ledger.transaction():
            self.ledger.progress(work.operation, f"{UPDATE_ACTIVITY}:done")
            self.store.ack(
                row.id, work.hash if is_complete else row.acked_hash, {**(row.last_sent or {}), **changes}
            )
            if is_done is not None:
                self.marks.note(row.crm_id, is_done=is_done)

    def _lost(self, work: _Work, row: MappingRow) -> NoReturn:
        self.store.set_state(row.id, MappingState.GONE)
        if self.settings.recreate_deleted:
            raise _Stop(Outcome(OperationState.PLANNED, step=None, result=work.result))
        raise _Stop(_rejected("deleted_in_krayin", "the activity was deleted in Krayin"))

    # --- shared -------------------------------------------------------------------------------

    def _linked(self, work: _Work) -> MappingRow:
        assert work.row is not None
        return work.row

    def _link(  # noqa: PLR0913 - the columns of one row
        self,
        work: _Work,
        crm_id: int,
        origin: str,
        last_sent: Mapping[str, Any] | None,
        *,
        acked: bytes | None = None,
        crm_created_at: datetime | None = None,
    ) -> None:
        with self.ledger.transaction():
            self.ledger.progress(work.operation, "activity:linked")
            self.store.link(
                work.operation.identity,
                source_kind=work.operation.source_kind,
                source_id=work.operation.source_id,
                crm_kind="activity",
                crm_id=crm_id,
                origin=origin,
                acked_hash=acked,
                last_sent=last_sent,
                crm_created_at=crm_created_at,
            )
            born_done = work.activity.type in BORN_DONE
            if origin == "created" and last_sent is not None and born_done != work.activity.is_done:
                self.marks.note(crm_id, is_done=work.activity.is_done)
        work.row = self._rows(work.operation).get("activity")

    def _intent(
        self, work: _Work, step: str, note: Callable[[], None] = lambda: None
    ) -> AbstractContextManager[None]:
        def intend() -> None:
            with self.ledger.transaction():
                self.ledger.intend(work.operation, step)
                note()

        return self.client.operation(work.operation.id, before_write=intend)


def _after_attempt(row: MappingRow, shown: Activity) -> MappingRow:
    """Return the row with what an update without an answer wrote counted as sent."""
    present = {"title": shown.title, "comment": comment_mark(shown.comment)}
    pending_write = row.pending_write or {}
    ours = {name: value for name, value in present.items() if pending_write.get(name) == value}
    return replace(row, last_sent={**(row.last_sent or {}), **ours}) if ours else row


def _as_wanted(shown: Activity, sent: Mapping[str, Any]) -> Iterator[str]:
    """Yield the fields whose values in Krayin are those that would be sent."""
    present = {"title": shown.title, "comment": comment_mark(shown.comment), "is_done": shown.is_done}
    return (name for name, value in present.items() if value == sent[name])


def _rejected(error_class: str, message: str) -> Outcome:
    return Outcome(OperationState.REJECTED, error_class=error_class, error_message=message)


def _later(message: str, timing: Timing) -> Outcome:
    return Outcome(
        OperationState.PLANNED,
        error_class="contact_not_linked",
        error_message=message,
        delay=timing.next_run,
    )
