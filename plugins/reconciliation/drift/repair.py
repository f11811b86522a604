"""The one repair step: records of findings are marked, staged and planned through the planner engine."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from statements import statement

from reconciliation.crm.fields import emptied_lines, lead_fields, listed_person, organization_fields
from reconciliation.drift.detectors.decisions import Decisions
from reconciliation.drift.finding import FindingClass, FindingState
from reconciliation.extract.checksum_diff import remember
from reconciliation.extract.staging import stage
from reconciliation.extract.streams import ACTIVITIES, LEAD, STAGE
from reconciliation.model.desired_contact import contact_of, desired_to_json
from reconciliation.plan.contact_planner import ContactPlanner
from reconciliation.plan.engine import Decided
from reconciliation.plan.lead_stage import plan_reopenings
from reconciliation.plan.organization import OrganizationPlanner
from reconciliation.plan.present_records import PlanReads
from reconciliation.run.request import RunRequest
from reconciliation.store.mapping_row import MappingState
from reconciliation.store.mapping_store import MappingStore
from reconciliation.store.run_rows import RunKind, count_calls

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from reconciliation.drift.context import CustomFields, Drift
    from reconciliation.drift.detectors.activities import StagedDetector
    from reconciliation.drift.detectors.contacts import ComparedContact
    from reconciliation.drift.detectors.gone_contacts import OrphanPlan
    from reconciliation.drift.finding import Finding
    from reconciliation.extract.checksum_diff import Differences
    from reconciliation.load.removal import Removal
    from reconciliation.plan.engine import PlanEngine
    from reconciliation.run.streams import RunStreams
    from reconciliation.store.mapping_row import MappingRow

# What frees an address goes before what claims it.
EARLY = timedelta(days=2)
_MADE_AGAIN = frozenset({FindingClass.STALE_MAPPING, FindingClass.MOVED_STAGE})


class SeenReads(PlanReads):
    """A plan's reads that ask Krayin for nothing which the comparison has seen already.

    What was last sent does not do where somebody edited Krayin: a repair that overwrites would seem to
    change nothing, and pass the guard. `custom` are the fields that the lists do not show, where they
    were read; others count as they were sent.
    """

    def __init__(self, drift: Drift, custom: CustomFields) -> None:
        krayin = drift.parts.krayin
        super().__init__(krayin.client, krayin.catalogue, exact=False)
        self._drift = drift
        self._custom = custom

    def persons(self, ids: Iterable[int]) -> dict[int, Mapping[str, Any]]:
        """Return the flat fields of those among some persons that are ours."""
        return {row["crm_id"]: row["fields"] for row in self._seen("person", listed_person, ids)}

    def leads(self, ids: Iterable[int]) -> dict[int, Mapping[str, Any]]:
        """Return the flat fields of those among some leads that are ours."""
        return {row["crm_id"]: row["fields"] for row in self._seen("lead", lead_fields, ids)}

    def organizations(self, names: Mapping[str, str]) -> dict[str, Mapping[str, Any]]:
        """Return the flat fields of the organizations that we know for some folded names."""
        rows = self._seen("organization", organization_fields, names=names)
        return {row["source_id"]: row["fields"] for row in rows}

    def _seen(
        self,
        kind: str,
        fields: Callable[[Mapping[str, Any]], Mapping[str, Any]],
        ids: Iterable[int] = (),
        names: Iterable[str] = (),
    ) -> Iterator[dict[str, Any]]:
        wanted = {"crm_ids": sorted(set(ids)) or None, "source_ids": sorted(names) or None}
        if not any(wanted.values()):
            return
        for row in self._drift.rows("mapping/seen_records", crm_kind=kind, **wanted):
            sent = row["last_sent"] or {}
            shown = {**emptied_lines(sent), **fields(row["facts"])}
            yield {**row, "fields": {**sent, **shown, **self._custom.get((kind, row["crm_id"]), {})}}


@dataclass(slots=True)
class Repairs:
    """What one comparison found, and what is to be planned because of it.

    Attributes:
        findings: everything found, each in the state that says whether it is repaired now.
        contacts: those planned whatever Chatwoot says of them.
        leads: contacts whose lead is moved to its stage again.
        further: leads for further inboxes written or made again, by source id.
        activities: conversations (display ids) and messages (ids) written or made again.
        companies: folded names of those whose organization is written again.
        removals: what is removed of records that are gone in Chatwoot.
        survivors: contacts that took records over, to be compared now.
        undecided: contacts without a person, about whom the planner is asked.
        news: contacts that Chatwoot changed since they were planned.
        changed_leads: leads for further inboxes of which the same holds, and that are not repaired.
        new: the undecided ones that are planned.
    """

    drift: Drift
    findings: list[Finding] = field(default_factory=list)
    contacts: set[int] = field(default_factory=set)
    leads: set[int] = field(default_factory=set)
    further: set[str] = field(default_factory=set)
    activities: dict[str, set[int]] = field(default_factory=lambda: {spec.kind: set() for spec in ACTIVITIES})
    companies: set[str] = field(default_factory=set)
    removals: list[Removal] = field(default_factory=list)
    survivors: set[int] = field(default_factory=set)
    undecided: set[int] = field(default_factory=set)
    news: set[int] = field(default_factory=set)
    changed_leads: set[str] = field(default_factory=set)
    new: set[int] = field(default_factory=set)

    # --- what is found ------------------------------------------------------------------------

    def take(self, found: Iterable[Finding]) -> None:
        """Keep findings; what is repaired of their records counts as changed or as new from now on."""
        marked: dict[bool, set[int]] = {False: set(), True: set()}
        for one in found:
            finding = self._keep(self.drift.policy.apply_declined(one))
            if finding.state is FindingState.REPAIRING:
                self._mark(finding)
                if finding.row_id is not None:
                    marked[finding.kind in _MADE_AGAIN].add(finding.row_id)
        for recreate, ids in marked.items():
            if ids:
                self.drift.execute("mapping/forget", ids=sorted(ids), recreate=recreate)

    def carry(
        self, plan: OrphanPlan, rows: Mapping[str, MappingRow], further: Mapping[str, MappingRow]
    ) -> None:
        """Keep the finding of what is gone; where it is repaired, give its records away or remove them.

        `rows` are the mapping rows of a contact that is gone, `further` those of its leads for further
        inboxes.
        """
        finding = self._keep(self.drift.policy.apply_declined(plan.finding))
        if finding.state is not FindingState.REPAIRING:
            return
        self.removals += plan.removals
        if plan.survivor is not None:
            if not plan.removals:
                store = MappingStore(self.drift.connection)
                with self.drift.connection.transaction():
                    store.give_records(self.drift.identity, rows, plan.survivor)
                    store.give_further_leads(self.drift.identity, further, plan.survivor)
            self.survivors.add(plan.survivor)

    def _keep(self, finding: Finding) -> Finding:
        judged = self.drift.policy.judge(finding)
        self.findings.append(judged)
        return judged

    def _mark(self, finding: Finding) -> None:
        kind, source_id = finding.source_kind, finding.source_id or ""
        if finding.kind is FindingClass.MOVED_STAGE:
            self.leads.add(contact_of(source_id))
        elif kind == LEAD:
            self.further.add(source_id)
        elif kind == "contact":
            self.contacts.add(int(source_id))
        elif kind != "company":
            self.activities[kind or ""].add(int(source_id))
        elif finding.kind is FindingClass.STALE_MAPPING:
            # The organization is made with the persons that are linked to it.
            members = self.drift.members(source_id)
            self.drift.execute("mapping/forget_organization", contact_ids=[str(one) for one in members])
            self.contacts.update(members)
        else:
            self.companies.add(source_id)

    # --- what is staged -----------------------------------------------------------------------

    def stage(self, contacts: Sequence[ComparedContact]) -> None:
        """Stage what a planner must look at of some contacts and their leads for further inboxes."""
        leads = {
            one.source_id: one.lead
            for one in contacts
            if one.lead is not None and (one.is_news or one.source_id in self.further)
        }
        self.changed_leads |= leads.keys() - self.further
        stage(self.drift.connection, self.drift.run_id, LEAD, leads)
        with (
            self.drift.connection.cursor() as cursor,
            cursor.copy(statement("staged_contact/stage")) as copy,
        ):
            for contact in contacts:
                contact_id, desired = contact.contact_id, contact.desired
                if contact.lead is not None:
                    continue
                if contact.is_undecided:
                    self.undecided.add(contact_id)
                elif contact.is_news:
                    self.news.add(contact_id)
                elif contact_id not in self.contacts:
                    continue
                hashes = desired.person_hash(), desired.lead_hash()
                copy.write_row((self.drift.run_id, contact_id, desired_to_json(desired), *hashes, None))

    def decide(self, read_at: datetime) -> None:
        """Ask the planner what it would do about contacts without a person, and about companies.

        What the policy leaves alone is not staged any more. Chatwoot was read at `read_at` (aware).
        """
        drift, decisions = self.drift, Decisions()
        if self.undecided or self.news:
            with self._planning(read_at, dry_run=True) as engine:
                # Without reads: those of single records would read each of them.
                ContactPlanner(engine, drift.parts.rules()).run(decisions)
        for one in decisions.findings(self.undecided):
            self._keep(one)
        self.new = decisions.to_repair(self.undecided, drift.policy)
        dropped = self.undecided - self.new
        if not drift.policy.repairs(FindingClass.CHANGED):
            dropped |= self.news - self.contacts
            drift.execute("staged_activity/drop", source_kind=LEAD, source_ids=sorted(self.changed_leads))
        if dropped:
            drift.execute("staged_contact/drop", contact_ids=sorted(dropped))

    def judge_staged(self, detector: StagedDetector) -> None:
        """Keep what is found of staged activities and stage moves, and leave staged what is repaired of them.

        Those of contacts that are not planned wait with them; those of contacts that are not known are left
        out, as the planner leaves them out.
        """
        rows = self.drift.rows("staged_activity/due")
        busy = {
            (kind, source_id)
            for kind in (*self.activities, STAGE)
            for source_id in self.drift.busy(
                kind, [row["source_id"] for row in rows if row["source_kind"] == kind]
            )
        }
        dropped: dict[str, list[str]] = defaultdict(list)
        for row in rows:
            kind, source_id, contact_id = row["source_kind"], row["source_id"], row["contact_id"]
            if (kind, source_id) in busy or kind == LEAD:
                continue
            waits = contact_id in self.undecided - self.new
            is_unknown = row["person_state"] is None and contact_id not in self.new
            if waits or is_unknown or row["person_state"] == MappingState.ORPHANED:
                dropped[kind].append(source_id)
            elif kind == STAGE or int(source_id) not in self.activities[kind]:
                found = [self._keep(one) for one in detector.findings(row)]
                if found and not any(one.state is FindingState.REPAIRING for one in found):
                    dropped[kind].append(source_id)
        for kind, ids in dropped.items():
            self.drift.execute("staged_activity/drop", source_kind=kind, source_ids=ids)

    # --- the plan -----------------------------------------------------------------------------

    def plan(
        self,
        read_at: datetime,
        conversations: RunStreams,
        diff: Differences | None,
        custom: CustomFields,
    ) -> dict[str, Any]:
        """Plan what is staged, the organizations and the removals; the diff is remembered with the end of it.

        Return the numbers for `sync_run.summary`.

        Args:
            read_at: when Chatwoot was read (aware).
            conversations: with the activities and stage moves that are staged.
            diff: what Chatwoot's diff found, None when single contacts were compared.
            custom: custom fields that differ, where they were read.
        """
        drift, parts = self.drift, self.drift.parts
        reads = SeenReads(drift, custom)
        with self._planning(read_at) as engine:
            self._plan_removals(engine)
            planned = ContactPlanner(engine, parts.rules(), reads).run()
            with engine.connection.transaction():
                for company in OrganizationPlanner(engine, parts.rules(), reads).plan((), self.companies):
                    planned.add_company(company)
                engine.guard.require_approval()
            conversations.plan(engine, parts.krayin.client)
            plan_reopenings(engine)
        with drift.connection.transaction():
            if diff is not None:
                remember(drift.connection, diff.diff_id, drift.settings.name, drift.identity)
            conversations.clear()
            drift.execute("staged_contact/clear")
        calls = count_calls(drift.connection, drift.run_id)
        return {
            **planned.to_json(),
            **calls,
            "held": engine.guard.awaiting_approval(),
            **parts.forecast(engine).to_json(calls["calls"]),
        }

    def _plan_removals(self, engine: PlanEngine) -> None:
        due_at = (datetime.now(UTC) - EARLY).isoformat()
        with engine.connection.transaction():
            for kind in sorted({one.source_kind for one in self.removals}):
                own = [one for one in self.removals if one.source_kind == kind]
                engine.plan(kind, [Decided(one.source_id, one.to_operation(due_at), ()) for one in own])
            engine.guard.require_approval()

    def _planning(self, read_at: datetime, *, dry_run: bool = False) -> AbstractContextManager[PlanEngine]:
        request = RunRequest(kind=RunKind.RECONCILE, dry_run=dry_run)
        return self.drift.parts.planning(self.drift.identity, self.drift.run_id, request, read_at)
