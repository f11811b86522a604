"""Brings one conversation or message over as an activity: create, take over or update."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from krayin.errors import KrayinError, NotFound, NotSent, RateLimited, Rejected
from krayin.payloads import ActivityDraft, ActivityUpdate
from krayin.records import Activity, Person
from statements import statement

from reconciliation.crm.fields import activity_sent
from reconciliation.crm.own_activities import OwnActivities
from reconciliation.load.outcome import deleted, later, obsolete
from reconciliation.load.sink import Sink, Stop, Work, nothing
from reconciliation.model.comment import comment_mark
from reconciliation.model.desired_activity import KEY, DesiredActivity
from reconciliation.model.desired_contact import further_lead
from reconciliation.model.timing import DEFAULT, Timing
from reconciliation.store.mapping_row import MappingState
from reconciliation.store.mapping_store import AlreadyMappedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import NoReturn

    import psycopg
    from krayin.client import KrayinClient

    from reconciliation.load.sink import LoadContext
    from reconciliation.store.ledger import Operation
    from reconciliation.store.mapping_row import MappingRow

log = logging.getLogger(__name__)

PER_CALL = 100
# Seconds after which somebody may have added participants to what was looked at; a full call's marks are
# gathered sooner at Krayin's pace.
LONG = 300.0

CREATE_ACTIVITY = "create_activity"
UPDATE_ACTIVITY = "update_activity"
# Krayin stores notes as done, whatever is sent, and everything else as not done.
BORN_DONE = frozenset({"note"})
# What the second of two updates brings.
_LAST = frozenset({"person", "is_done"})
_PERSON_GONE = deleted("the person of its contact")
_ACTIVITY_GONE = deleted("the activity")


@dataclass(slots=True)
class ActivityMarks:
    """The marks of one Krayin; they outlive the process that noted them.

    Marking twice does no harm, so a mark needs no intent: it stays until Krayin has confirmed it. A
    newer mark of the same activity waits until no call with the older one can be under way.
    """

    connection: psycopg.Connection
    client: KrayinClient
    target_id: int
    sync_name: str
    timing: Timing = DEFAULT
    monotonic: Callable[[], float] = time.monotonic
    _noted: int = field(default=0)
    _noted_at: dict[int, float] = field(default_factory=dict)

    def note(self, activity_id: int, *, is_done: bool) -> None:
        """Note a mark, in the transaction that records why it is needed."""
        self._execute("activity_mark/add", crm_id=activity_id, is_done=is_done, sync_name=self.sync_name)
        self._noted += 1
        self._noted_at[activity_id] = self.monotonic()

    def make_full_calls(self) -> None:
        """Make the marks if they fill a call."""
        if self._noted >= PER_CALL:
            self.make()

    def _without_participants(self, ids: Sequence[int]) -> list[int]:
        """Return those of `ids` whose change Krayin mails to nobody.

        Whoever noted a mark had looked: only what has waited since is looked at once more.
        """
        now = self.monotonic()
        waited = [one for one in ids if now - self._noted_at.pop(one, float("-inf")) > LONG]
        mailing = {one.id for one in self.client.by_ids(Activity, waited) if one.mails_participants}
        if mailing:
            log.warning(
                "Left alone because Krayin would mail their participants: activities %s", sorted(mailing)
            )
        return [one for one in ids if one not in mailing]

    def make(self) -> None:
        """Make all marks that are noted; what Krayin does not take stays for the next time."""
        self._noted = 0
        while True:
            rows = self._execute("activity_mark/claim", lease=self.timing.lease, size=PER_CALL).fetchall()
            if not rows:
                return
            ids = [int(row[0]) for row in rows]
            claimed = {"crm_ids": ids, "leases": [row[3] for row in rows]}
            try:
                self.client.mark_activities(self._without_participants(ids), bool(rows[0][2]))
            except KrayinError as error:
                known = isinstance(error, NotSent | RateLimited | Rejected)
                delay = timedelta(0) if known else self.timing.settle
                self._execute("activity_mark/release", **claimed, delay=delay)
                log.warning(
                    "%d activities could not be marked now; a later run marks them: %s", len(rows), error
                )
                return
            self._execute("activity_mark/done", **claimed, fences=[row[1] for row in rows])

    def _execute(self, name: str, **parameters: Any) -> psycopg.Cursor[Any]:
        return self.connection.execute(statement(name), {"target_id": self.target_id, **parameters})


@dataclass(slots=True)
class _Work(Work):
    """One activity's operation; `link` are the records it hangs on, by CRM kind."""

    activity: DesiredActivity
    hash: bytes
    person: MappingRow
    link: dict[str, int]

    @property
    def linked(self) -> MappingRow:
        """The mapping of the activity, which is linked."""
        return self.rows["activity"]


class ActivitySink(Sink):
    """Carries out the operations on conversations and messages of one sync.

    No activity of ours ever has participants: Krayin would e-mail them. One to which a salesperson added
    some is left alone while it has them.
    """

    def __init__(self, context: LoadContext) -> None:
        super().__init__(context)
        on_target = context.connection, context.client, context.target_id
        self.marks = ActivityMarks(*on_target, context.settings.name, context.timing)
        self.own = OwnActivities(*on_target)
        self.shown: dict[int, Activity] = {}

    def prefetch(self, operations: Sequence[Operation]) -> None:
        """Read in bulk the activities that will be changed, to see what a salesperson did to them."""
        self.marks.make_full_calls()
        ids = {
            row.crm_id
            for operation in operations
            for row in self.rows(operation).values()
            if row.state is MappingState.LINKED
            and row.crm_id is not None
            and row.acked_hash != bytes.fromhex(operation.payload["hash"])
        }
        adopted = [operation.payload.get("adopt") or {} for operation in operations]
        ids |= {one["id"] for one in adopted if one.get("origin") == "created"}
        self.shown = self.reads.listed("activity", ids)

    def _activity(self, crm_id: int) -> Activity | None:
        if crm_id not in self.shown:
            self.shown |= self.reads.listed("activity", [crm_id])
        return self.shown.get(crm_id)

    def carry_out(self, operation: Operation) -> Mapping[str, str]:
        """Create, take over or update the activity, once its contact is linked."""
        work = self._begin(operation)
        if work.row("activity") is not None:
            self._update(work)
        elif self._adopt_made(work):
            self._update(work, repair=True)
        elif work.row("activity") is None:
            self._create(work)
        return work.result

    def _begin(self, operation: Operation) -> _Work:
        activity = DesiredActivity.from_json(operation.payload["activity"])
        records = self.store.rows_of(operation.identity, "contact", str(activity.contact_id))
        person, lead = records.get("person"), records.get("lead")
        inbox = activity.inbox_id
        has_own = inbox is not None and lead is not None and lead.inbox_id not in {None, inbox}
        if inbox is not None and has_own:
            source_id = further_lead(activity.contact_id, inbox)
            lead = self.store.rows_of(operation.identity, "lead", source_id).get("lead")
        if person is None or person.state is MappingState.ORPHANED:
            raise Stop(obsolete("contact_gone", "its contact is not brought over any more"))
        if person.state is MappingState.GONE:
            if operation.step is not None:
                self._delete_leftovers(activity)
            raise Stop(_PERSON_GONE)
        if person.state is not MappingState.LINKED or person.crm_id is None:
            self._wait_for("person")
        link: dict[str, int] = {}
        if self.settings.activity_link != "person":
            if lead is not None and lead.state is MappingState.LINKED and lead.crm_id is not None:
                link["lead"] = lead.crm_id
            # An inbox without a lead gets none by the rules.
            elif not (lead is None and has_own) and (
                lead is None or lead.state not in {MappingState.GONE, MappingState.NOT_WANTED}
            ):
                self._wait_for("lead")
        if self.settings.activity_link != "lead" or not link:
            link["person"] = person.crm_id
        return _Work(
            operation=operation,
            rows=self.rows(operation),
            activity=activity,
            hash=bytes.fromhex(operation.payload["hash"]),
            person=person,
            link=link,
        )

    def _wait_for(self, crm_kind: str) -> NoReturn:
        message = f"its contact is not linked to a {crm_kind} yet"
        raise Stop(later("contact_not_linked", message, self.timing.next_run))

    # --- none known yet -----------------------------------------------------------------------

    def _adopt_made(self, work: _Work) -> bool:
        """Link what is in Krayin already; True when it must still be brought up to date."""
        if work.is_gone("activity") and not self.settings.recreate_deleted:
            raise Stop(_ACTIVITY_GONE)
        if work.operation.step is not None:
            # A creation may have taken effect without our knowing, with the person there or not.
            self._require_person(work)
            ours = self.own.find_lost(work.activity.key, work.activity.title, work.link)
            if ours:
                self.link(work, "activity", ours[0].id, "created")
                self.shown[ours[0].id] = ours[0]
                work.result["activity"] = "created"
                return True
        adopt = work.operation.payload.get("adopt")
        if adopt is None:
            return False
        if adopt["origin"] == "created":
            if self._activity(adopt["id"]) is None:
                return False
            self.link(work, "activity", adopt["id"], "created")
            work.result["activity"] = "adopted"
            return True
        sent = {name: adopt[name] for name in ("title", "comment", "is_done")} | work.link
        try:
            self.link(work, "activity", adopt["id"], "adopted", last_sent=sent)
        except AlreadyMappedError:
            # Somebody else's meanwhile: ours is made.
            return False
        # What the earlier integration wrote stays until the conversation changes.
        self.store.ack(work.linked.id, work.hash, work.linked.last_sent or {})
        work.result["activity"] = "adopted"
        return False

    def _require_person(self, work: _Work) -> None:
        person_id = work.person.crm_id
        assert person_id is not None
        if self.client.by_ids(Person, [person_id]):
            return
        self.store.set_state(work.person.id, MappingState.GONE)
        self._delete_leftovers(work.activity)
        raise Stop(_PERSON_GONE)

    def _delete_leftovers(self, activity: DesiredActivity) -> None:
        """Take away what a creation for a dead person left: Krayin fails, an activity of nobody stays."""
        for left in self.own.find_lost(activity.key, activity.title, {}):
            self.client.delete_activity(left.id)

    def _create(self, work: _Work) -> None:
        wanted = work.activity
        scheduled = {"schedule_from": wanted.start, "schedule_to": wanted.end}
        first = {"lead": work.link["lead"]} if "lead" in work.link else work.link
        is_complete = first == work.link
        draft = ActivityDraft(
            type=wanted.type,
            title=wanted.title,
            comment=wanted.comment,
            additional={KEY: wanted.key},
            **{f"{kind}_id": crm_id for kind, crm_id in first.items()},
            **({} if wanted.type == "note" else scheduled),
        )
        with self.intent(work.operation, CREATE_ACTIVITY):
            created = self.client.create_activity(draft)
        acked = work.hash if is_complete else None
        with self.lineage.linking(activity=created), self.ledger.transaction():
            self.link_made(work, "activity", created, activity_sent(wanted, first), acked)
            if (wanted.type in BORN_DONE) != wanted.is_done:
                self.marks.note(created.id, is_done=wanted.is_done)
        work.result["activity"] = "created"
        if not is_complete:
            self._put(work, {"person": work.link["person"]}, ActivityUpdate(person_id=work.link["person"]))

    # --- one is known -------------------------------------------------------------------------

    def _update(self, work: _Work, *, repair: bool = False) -> None:
        """Write what differs; `repair` writes the link too, which a failed creation may lack."""
        row = work.linked
        assert row.crm_id is not None
        if row.acked_hash == work.hash:
            return
        shown = self._activity(row.crm_id)
        if shown is None:
            self._gone(work)
        work.rows["activity"] = row = _after_attempt(row, shown)
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
        texts = _texts(shown)
        keys: dict[str, Any] = {}
        # What is there as wanted counts as sent: the answer that would have told so was lost.
        changes = {
            name: value
            for name, value in (*texts.items(), ("is_done", shown.is_done))
            if value == sent[name] and name not in before
        }
        for name, present in texts.items():
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
            work.rows = self.rows(work.operation)
            changes = {name: value for name, value in changes.items() if name in _LAST}
            update = ActivityUpdate(person_id=update.person_id)
        self._call_update(work, changes, update)
        self._ack(work, changes, is_done=is_done)

    def _call_update(self, work: _Work, changes: Mapping[str, Any], update: ActivityUpdate) -> None:
        row = work.linked
        assert row.crm_id is not None
        note = partial(self.store.attempt, row, row.last_sent, changes)
        try:
            with self.intent(work.operation, UPDATE_ACTIVITY, note):
                self.client.update_activity(row.crm_id, update)
        except NotFound:
            self._gone(work)

    def _ack(
        self,
        work: _Work,
        changes: Mapping[str, Any],
        *,
        is_done: bool | None = None,
        is_complete: bool = True,
    ) -> None:
        row = work.linked
        assert row.crm_id is not None
        acked, sent = work.hash if is_complete else row.acked_hash, {**(row.last_sent or {}), **changes}
        note = nothing if is_done is None else partial(self.marks.note, row.crm_id, is_done=is_done)
        self.acknowledge(work.operation, UPDATE_ACTIVITY, row, acked, sent, note)

    def _gone(self, work: _Work) -> NoReturn:
        self.lost(work, work.linked)
        raise Stop(_ACTIVITY_GONE)


def _texts(shown: Activity) -> dict[str, Any]:
    return {"title": shown.title, "comment": comment_mark(shown.comment)}


def _after_attempt(row: MappingRow, shown: Activity) -> MappingRow:
    """Return the row with what an update without an answer wrote counted as sent."""
    pending_write = row.pending_write or {}
    ours = {name: value for name, value in _texts(shown).items() if pending_write.get(name) == value}
    return replace(row, last_sent={**(row.last_sent or {}), **ours}) if ours else row
