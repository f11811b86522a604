"""Plans the activities of conversations and messages: decided one by one, planned kind by kind."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from reconciliation.model.comment import comment_mark
from reconciliation.model.desired_activity import CONVERSATION, KEY, MESSAGE, ActivitySkip, DesiredActivity
from reconciliation.model.desired_contact import contact_of, inbox_of
from reconciliation.model.stored_text import stored_text
from reconciliation.plan.contact import Action
from reconciliation.plan.engine import NEVER, NOW, Decided, OperationRow
from reconciliation.plan.estimate import ACTIVITIES, Expected
from reconciliation.store.mapping_row import MappingState

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from krayin.records import Activity

    from reconciliation.crm.own_activities import OwnActivities
    from reconciliation.plan.engine import PlanEngine
    from reconciliation.store.mapping_row import MappingRow

# What to adopt of activities that are in Krayin, by source kind and id.
Adoptable = dict[tuple[str, str], dict[str, Any]]

Link = Literal["person", "lead", "both"]


@dataclass(frozen=True, slots=True)
class LinkedRecords:
    """Where a contact stands in Krayin, and its records' ids once they are known.

    `inbox` is that of its lead where each has its own, `further` are the leads for further ones, by inbox. Of
    one of these `part` says which.
    """

    person: MappingState | None = None
    lead: MappingState | None = None
    person_id: int | None = None
    lead_id: int | None = None
    inbox: int | None = None
    further: Mapping[int, tuple[MappingState, int | None]] = field(default_factory=dict)
    part: int | None = None

    def within(self, inbox: int | None) -> LinkedRecords:
        """Return where it stands with the lead of an inbox; None: with its own."""
        if inbox is None or self.inbox in {None, inbox}:
            return self
        # An inbox without a lead gets none by the rules.
        lead, lead_id = self.further.get(inbox, (MappingState.NOT_WANTED, None))
        return replace(self, lead=lead, lead_id=lead_id, part=inbox)

    @property
    def lead_name(self) -> str:
        """What the lead is called that an operation waits for."""
        return "lead" if self.part is None else f"lead/{self.part}"

    def waits_for(self, link: Link) -> str | None:
        """Return the record an activity must wait for, None when it can be carried out.

        An activity of a contact that gets no lead, or whose lead was deleted in Krayin, hangs on the person
        instead.
        """
        # First, because an adopted person is linked some time before its lead is.
        there = {MappingState.LINKED, MappingState.GONE, MappingState.NOT_WANTED}
        if link != "person" and self.lead not in there:
            return self.lead_name
        return None if self.person is MappingState.LINKED else "person"


@dataclass(frozen=True, slots=True)
class ActivityPlan:
    """What is to be done: the action, what it waits for, the calls expected."""

    action: Action
    waits_for: str | None = None
    calls: int = 0


def decide(
    row: MappingRow, wanted_hash: bytes, contact: LinkedRecords, link: Link, *, recreate_deleted: bool
) -> ActivityPlan:
    """Decide about an activity with this mapping row, whose contact stands as `contact` says."""
    if row.state is MappingState.GONE and not recreate_deleted:
        return ActivityPlan(Action.LEAVE_DELETED)
    if contact.person is MappingState.GONE and not recreate_deleted:
        return ActivityPlan(Action.LEAVE_DELETED)
    if row.state is MappingState.LINKED:
        if row.acked_hash == wanted_hash:
            return ActivityPlan(Action.NOTHING)
        return ActivityPlan(Action.UPDATE, contact.waits_for(link), 1)
    return ActivityPlan(Action.CREATE, contact.waits_for(link), 2 if link == "both" else 1)


def operation_of(
    activity: DesiredActivity, plan: ActivityPlan, adopt: Mapping[str, Any] | None, wanted_hash: bytes
) -> OperationRow | None:
    """Return the operation that carries a plan out, None for nothing to do; `adopt` is what was found."""
    if plan.action not in {Action.CREATE, Action.UPDATE}:
        return None
    expected = Expected(plan.calls)
    if adopt is not None and adopt["origin"] == "adopted":
        # What an earlier integration made is linked as it is.
        expected = Expected()
    elif adopt is not None or plan.action is Action.UPDATE:
        expected = Expected(plan.calls, frozenset({ACTIVITIES}))
    return OperationRow(
        source_kind=activity.source_kind,
        source_id=activity.source_id,
        payload={"activity": activity.to_json(), "hash": wanted_hash.hex(), "adopt": adopt},
        expected=expected,
        due_at=NEVER if plan.waits_for else NOW,
        contact_id=activity.contact_id,
        waits_for=plan.waits_for,
    )


def linked_records(engine: PlanEngine, contact_ids: Iterable[int]) -> dict[int, LinkedRecords]:
    """Return where those of some contacts stand that are synced."""
    found: dict[int, dict[str, Any]] = {}
    for source_id, crm_kind, crm_id, state, inbox in engine.execute(
        "mapping/activity_contacts", contact_ids=sorted(map(str, set(contact_ids)))
    ):
        own, part = found.setdefault(contact_of(source_id), {}), inbox_of(source_id)
        if part is not None:
            own.setdefault("further", {})[part] = MappingState(state), crm_id
        else:
            own |= {crm_kind: MappingState(state), f"{crm_kind}_id": crm_id}
            own |= {"inbox": inbox} if crm_kind == "lead" else {}
    return {contact_id: LinkedRecords(**records) for contact_id, records in found.items()}


_TYPES = frozenset({"note", "call", "email"})


@dataclass(slots=True)
class ActivitySearch:
    """Looks for activities by our key, and by what an earlier integration left.

    An earlier integration kept no key: its activities have the same title and hang on the person it
    noted. Several of one title are taken in the order they were made.
    """

    own: OwnActivities
    _person: int | None = None
    _left: list[Activity] = field(default_factory=list)

    def find(self, wanted: Sequence[DesiredActivity], taken: Collection[int] = ()) -> Adoptable:
        """Return by kind and id what to adopt: `id`, `origin`, and the hash of its comment.

        `wanted` stands contact by contact; `taken` are activities that belong to others.
        """
        found: Adoptable = {}
        by_key: dict[str, Activity] = {}
        for activity in self.own.find([one.key for one in wanted]):
            by_key.setdefault(str(activity.additional[KEY]), activity)
        for one in wanted:
            ours = by_key.get(one.key)
            if ours is not None:
                found[one.source_kind, one.source_id] = {"id": ours.id, "origin": "created"}
            elif one.earlier_person is not None:
                earlier = self._earlier(one, taken)
                if earlier is not None:
                    found[one.source_kind, one.source_id] = {
                        "id": earlier.id,
                        "origin": "adopted",
                        "title": earlier.title,
                        "comment": comment_mark(earlier.comment),
                        "is_done": earlier.is_done,
                    }
        return found

    def _earlier(self, wanted: DesiredActivity, taken: Collection[int]) -> Activity | None:
        assert wanted.earlier_person is not None
        if wanted.earlier_person != self._person:
            self._person = wanted.earlier_person
            self._left = [
                one
                for one in self.own.client.activities_of("person", wanted.earlier_person)
                if one.type in _TYPES and KEY not in one.additional
            ]
        title = stored_text(wanted.earlier_title or wanted.title)
        same = next((one for one in self._left if one.title == title and one.id not in taken), None)
        if same is not None:
            self._left.remove(same)
        return same


@dataclass(slots=True)
class PlannedActivities:
    """What a planning decided about activities; numbers only.

    `moved` are those that hang on another contact now: a merge in Chatwoot.
    """

    actions: Counter[str] = field(default_factory=Counter)
    waiting: int = 0
    moved: int = 0
    skipped: Counter[str] = field(default_factory=Counter)

    def add(self, row: MappingRow, plan: ActivityPlan, contact: LinkedRecords) -> None:
        """Count one activity of this mapping row and contact."""
        self.actions[plan.action] += 1
        if plan.action in {Action.CREATE, Action.UPDATE}:
            self.waiting += plan.waits_for is not None
            person = (row.last_sent or {}).get("person")
            self.moved += person is not None and person != contact.person_id

    def to_json(self) -> dict[str, Any]:
        """Return the numbers for `sync_run.summary`."""
        return {
            "activities_planned": dict(self.actions),
            "activities_waiting_for_contact": self.waiting,
            "activities_moved": self.moved,
        }


@dataclass(frozen=True, slots=True)
class ActivityPlanner:
    """Plans the staged activities of one run.

    `search` looks in Krayin for activities of ours that are not mapped.
    """

    engine: PlanEngine
    link: Link
    search: ActivitySearch
    recreate_deleted: bool = False

    def run(self) -> PlannedActivities:
        """Plan everything staged; each chunk is committed on its own, so a repeat only does the rest."""
        planned = PlannedActivities()
        for rows in self.engine.staged((CONVERSATION, MESSAGE)):
            chunk = [DesiredActivity.from_json(row[4]) for row in rows]
            # Krayin is asked before anything is locked.
            adopted = self._search(chunk)
            with self.engine.connection.transaction():
                contacts = linked_records(self.engine, (one.contact_id for one in chunk))
                there = [one for one in chunk if one.contact_id in contacts]
                planned.skipped[ActivitySkip.CONTACT_NOT_SYNCED] += len(chunk) - len(there)
                for kind in (CONVERSATION, MESSAGE):
                    ours = [one for one in there if one.source_kind == kind]
                    if ours:
                        self._plan_kind(kind, ours, contacts, adopted, planned)
        return planned

    def _search(self, chunk: Sequence[DesiredActivity]) -> Adoptable:
        # What is planned and not linked is looked for again: this plan takes the other one's place.
        known: set[tuple[str, str]] = set()
        for kind in (CONVERSATION, MESSAGE):
            ids = [one.source_id for one in chunk if one.source_kind == kind]
            rows = self.engine.execute("mapping/activity_linked", source_kind=kind, source_ids=ids)
            known.update((kind, row[0]) for row in rows)
        new = [one for one in chunk if (one.source_kind, one.source_id) not in known]
        return self.search.find(new) if new else {}

    def _plan_kind(
        self,
        kind: str,
        staged: Sequence[DesiredActivity],
        contacts: Mapping[int, LinkedRecords],
        adopted: Adoptable,
        planned: PlannedActivities,
    ) -> None:
        locked = self.engine.lock(kind, {one.source_id: {"activity": one.hash()} for one in staged})
        decided: list[Decided] = []
        for one in staged:
            record, wanted_hash = locked[one.source_id], one.hash()
            contact = contacts[one.contact_id].within(one.inbox_id)
            if record.is_planned:
                continue
            row = record.rows["activity"]
            plan = decide(row, wanted_hash, contact, self.link, recreate_deleted=self.recreate_deleted)
            planned.add(row, plan, contact)
            operation = operation_of(one, plan, adopted.get((kind, one.source_id)), wanted_hash)
            state = MappingState.PENDING if plan.action is Action.CREATE else row.state
            decided.append(Decided(one.source_id, operation, [(row, wanted_hash, state)]))
        self.engine.plan(kind, decided)
