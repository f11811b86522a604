"""One comparison of Krayin with Chatwoot, from the reading of both sides to the plan of the repairs."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from chatwoot.checksums import BUCKET_BITS, Stream
from chatwoot.source import ByIds, ListedIds, SourceFilter
from psycopg.rows import dict_row
from statements import statement

from reconciliation.crm.lists import CrmLists
from reconciliation.extract.checksum_diff import ChecksumDiff, ChecksumDifference
from reconciliation.extract.look import Look, looking
from reconciliation.extract.merge_evidence import remember_traces
from reconciliation.mapping.desired_activity import CONVERSATION, MESSAGE
from reconciliation.mapping.stages import Pipeline
from reconciliation.reconcile.activity_comparison import ActivityComparison
from reconciliation.reconcile.company_comparison import ORGANIZATION, CompanyComparison
from reconciliation.reconcile.contact_comparison import CHUNK, ContactComparison
from reconciliation.reconcile.crm_scan import CrmScan
from reconciliation.reconcile.duplicates import Duplicates
from reconciliation.reconcile.finding import Finding, FindingState
from reconciliation.reconcile.orphans import Orphans
from reconciliation.reconcile.repair_plan import RepairPlan
from reconciliation.reconcile.unsettled import closed_by_us, unsettled
from reconciliation.run.conversation_streams import COMPARED_STREAMS, CONVERSATIONS, MESSAGES, STAGES, streams
from reconciliation.run.factory import RunFactory
from reconciliation.run.request import RunRequest
from reconciliation.settings.targets import final_stages
from reconciliation.sync_database.run_rows import RunKind, RunState, update_run

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import psycopg
    from chatwoot.source import Selection, SourceSnapshot

    from reconciliation.binding_scope import BindingScope
    from reconciliation.crm.krayin_connection import OpenKrayin
    from reconciliation.extract.checksum_diff import Differences
    from reconciliation.reconcile.crm_scan import Edits, Gone
    from reconciliation.reconcile.finding_store import FindingStore
    from reconciliation.reconcile.repair_policy import Policy
    from reconciliation.reconcile.request import Depth, ReconcileRequest
    from reconciliation.run.conversation_streams import ConversationStreams
    from reconciliation.run.sync_run import Sync
    from reconciliation.settings.sync_settings import SyncSettings
    from reconciliation.settings.targets import LeadTargets

log = logging.getLogger(__name__)


@dataclass(slots=True)
class ComparisonRun:
    """One comparison of one sync, with an open Krayin.

    Krayin is read first, because that may take long and Chatwoot's snapshot should not be held open
    meanwhile; what then looks edited is read once more before it is called so. The connection to the
    sync database is in autocommit mode.
    """

    sync: Sync
    connection: psycopg.Connection
    run_id: int
    request: ReconcileRequest
    krayin: OpenKrayin
    targets: LeadTargets
    identity: BindingScope
    store: FindingStore
    depth: Depth
    policy: Policy

    @property
    def settings(self) -> SyncSettings:
        """The settings of the sync."""
        return self.sync.settings

    @property
    def _parts(self) -> RunFactory:
        return RunFactory(self.sync, self.connection, self.krayin, self.targets)

    @property
    def _repairs(self) -> RepairPlan:
        return RepairPlan(self._parts, self.identity, self.run_id, self.policy)

    @property
    def named(self) -> frozenset[int]:
        """The contacts asked for, none for all."""
        return self.request.contact_ids

    def run(self) -> None:
        """Compare, keep the findings, and plan the repairs that the policy names."""
        lists = CrmLists.of(self.settings, self.connection, self.krayin.client, self.identity)
        look = CrmScan(
            self.connection,
            self.identity,
            self.settings,
            lists,
            self.krayin.catalogue,
            self.depth,
            self.named,
        )
        read = look.read()
        before = self._clock()
        edits = look.edits()
        custom = look.custom(edits) if self.depth == "full" and not self.named else {}
        present = self.store.present()
        gone = look.gone()
        with looking(self.connection, self.settings, self.sync.source) as snapshot:
            scope = self._scope(snapshot)
            seen = Look.begin(self.connection, self.settings, self.identity, snapshot)
            remember_traces(self.connection, self.identity, snapshot)
            diff = None if self.named else self._diff(snapshot, scope)
            doubt = self._judge(seen, diff)
            orphans = self._orphans(snapshot, scope, diff, seen)
            activities = self._activities(lists, edits, gone)
            companies = self._companies(edits, gone, custom)
            contacts = self._contacts(snapshot, scope, lists, custom)
            contacts.forced = companies.members
            unmapped = self._unmapped() if self.depth == "full" and diff is not None else {}
            wanted = (
                edits.contacts
                | gone.contacts
                | (present.contacts & self.named if self.named else present.contacts)
                | orphans.survivors
                | companies.members
                | unmapped.get(Stream.CONTACTS, set())
            )
            self._compare_contacts(contacts, diff, wanted)
            for stream, kind in _ACTIVITIES.items():
                if not self.named:
                    activities.anew[kind] |= present.activities[kind] | unmapped.get(stream, set())
            conversations = self._stage_conversations(snapshot, scope, diff, contacts, activities)
            if not seen.is_whole:
                conversations.keep_known()
            read_at = snapshot.read_at
        repairs = self._repairs
        decisions = repairs.decide(contacts, read_at)
        repaired = repairs.drop_unrepaired(contacts, decisions)
        activities.staged(self.run_id, contacts.undecided - repaired, repaired)
        # Before the diff is remembered: what it found is not found a second time.
        self._keep(
            [
                *contacts.findings,
                *activities.findings,
                *companies.findings,
                *orphans.findings,
                *decisions.findings(contacts.undecided),
            ]
        )
        # What is doubted is to be found again.
        planned = repairs.plan(read_at, orphans, conversations, diff if seen.is_whole else None, custom)
        twins = Duplicates(
            self.connection, self.identity, self.targets.pipeline_id, final_stages(self.krayin.catalogue)
        )
        self._keep(
            [
                *unsettled(self.connection, self.identity, self.settings.name),
                *closed_by_us(self.connection, self.identity),
                *twins.findings(lists.kinds),
            ]
        )
        seen.note(compared=diff is not None)
        self._finish(lists, before, contacts, planned, read, diff, doubt)

    def _clock(self) -> datetime:
        row = self.connection.execute(statement("crm_snapshot/clock")).fetchone()
        assert row is not None
        moment: datetime = row[0]
        return moment

    # --- Chatwoot -----------------------------------------------------------------------------

    def _scope(self, snapshot: SourceSnapshot) -> SourceFilter:
        scope = self.sync.scope
        snapshot.check(scope)
        return scope

    def _diff(self, snapshot: SourceSnapshot, scope: SourceFilter) -> Differences:
        wanted = (Stream.CONTACTS, *(COMPARED_STREAMS[stream] for stream in streams(self.settings)))
        return ChecksumDiff(
            self.connection,
            self.settings.name,
            self.identity,
            snapshot,
            scope,
            wanted,
            self.settings.history_start(datetime.now(UTC)),
        ).differences(every_mapped=self.depth == "full")

    @staticmethod
    def _judge(seen: Look, diff: Differences | None) -> str | None:
        """Return in a sentence why the look at Chatwoot may not be whole, None where nothing says so."""
        for stream, stream_diff in ({} if diff is None else diff.streams).items():
            seen.counted(stream, stream_diff.rows, stream_diff.counts.get(ChecksumDifference.VANISHED, 0))
        return seen.judge()

    def _orphans(
        self, snapshot: SourceSnapshot, scope: SourceFilter, diff: Differences | None, seen: Look
    ) -> Orphans:
        orphans = Orphans(self.connection, self.identity, self.settings, self.policy)
        if not seen.is_whole:
            return orphans
        if diff is None:
            there = snapshot.there(Stream.CONTACTS, scope, sorted(self.named))
            orphans.note("contact", self._mapped(self.named - there))
            orphans.only = self.named
        else:
            for stream, kind in _ORPHANED.items():
                if stream in diff.streams:
                    orphans.note(kind, diff.vanished(stream))
        orphans.resolve(snapshot, scope)
        return orphans

    def _unmapped(self) -> dict[Stream, set[int]]:
        """Return what was seen in Chatwoot earlier and the mapping does not know: left out, or lost."""
        return {
            stream: {
                row[0]
                for row in self.connection.execute(
                    statement("checksum_diff/unmapped"),
                    {
                        "sync_name": self.settings.name,
                        "stream": stream,
                        **self.identity.parameters(),
                        "bits": BUCKET_BITS,
                        "source_kind": kind,
                    },
                )
            }
            for stream, kind in {Stream.CONTACTS: "contact", **_ACTIVITIES}.items()
        }

    def _mapped(self, contact_ids: frozenset[int]) -> list[int]:
        rows = self.connection.execute(
            statement("mapping/hashes"),
            {**self.identity.parameters(), "contact_ids": [str(one) for one in contact_ids]},
        )
        return sorted({int(row[0]) for row in rows})

    def _contacts(
        self,
        snapshot: SourceSnapshot,
        scope: SourceFilter,
        lists: CrmLists,
        custom: Mapping[tuple[str, int], Mapping[str, Any]],
    ) -> ContactComparison:
        self.connection.execute(statement("staged_contact/clear"), {"run_id": self.run_id})
        return ContactComparison(
            connection=self.connection,
            identity=self.identity,
            run_id=self.run_id,
            snapshot=snapshot,
            scope=scope,
            lists=lists,
            mapping_rules=self._parts.mapping_rules(),
            rules=self._parts.rules(),
            policy=self.policy,
            stage_order=self._pipeline().order,
            custom=custom,
        )

    @staticmethod
    def _compare_contacts(contacts: ContactComparison, diff: Differences | None, wanted: set[int]) -> None:
        left = set(wanted)
        for ids in () if diff is None else _chunks(diff.changed(Stream.CONTACTS)):
            left.difference_update(ids)
            contacts.chunk(ids)
        for ids in _chunks(iter(sorted(left))):
            contacts.chunk(ids)

    def _activities(self, lists: CrmLists, edits: Edits, gone: Gone) -> ActivityComparison:
        activities = ActivityComparison(
            self.connection,
            self.identity,
            self.policy,
            self.settings.on_crm_edit,
            self._pipeline(),
            self.targets.stage_id,
        )
        if edits.activities:
            # The list was read a while ago, and the sync went on meanwhile: ask before claiming.
            lists.missing("activity", [row["crm_id"] for row in edits.activities])
            activities.edited(self._again([row["id"] for row in edits.activities]))
        activities.gone(gone.activities)
        return activities

    def _again(self, row_ids: Sequence[int]) -> list[dict[str, Any]]:
        with self.connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(
                statement("mapping/settled_activities"),
                {"target_id": self.identity.target_id, "ids": list(row_ids)},
            ).fetchall()

    def _companies(
        self, edits: Edits, gone: Gone, custom: Mapping[tuple[str, int], Mapping[str, Any]]
    ) -> CompanyComparison:
        companies = CompanyComparison(self.connection, self.identity, self.policy, self.settings.on_crm_edit)
        for row in edits.companies:
            companies.one(row, custom.get((ORGANIZATION, row["crm_id"]), {}))
        companies.gone(gone.companies)
        return companies

    def _stage_conversations(
        self,
        snapshot: SourceSnapshot,
        scope: SourceFilter,
        diff: Differences | None,
        contacts: ContactComparison,
        activities: ActivityComparison,
    ) -> ConversationStreams:
        """Stage what was said and differs: what the diff found, what is repaired, what differed before."""
        request = RunRequest(
            kind=RunKind.RECONCILE,
            contact_ids=self.named,
            diff_id=None if diff is None else diff.diff_id,
        )
        conversations = self._parts.conversations(self.identity, self.run_id, request)
        also: dict[str, Selection] = {
            stream: ListedIds(partial(_chunks_of, sorted(activities.repaired[kind] | activities.anew[kind])))
            for stream, kind in ((CONVERSATIONS, CONVERSATION), (MESSAGES, MESSAGE))
        }
        if again := frozenset(contacts.restage | contacts.repaired):
            also[STAGES] = ByIds(again)
        conversations.stage(snapshot, scope, datetime.now(UTC), also)
        return conversations

    def _pipeline(self) -> Pipeline:
        catalogue = self.krayin.catalogue
        order = catalogue.stage_order(self.targets.pipeline_id)
        return Pipeline(self.targets.pipeline_id, order, final_stages(catalogue))

    # --- the end ------------------------------------------------------------------------------

    def _finish(  # noqa: PLR0913, PLR0917 - everything that is counted
        self,
        lists: CrmLists,
        before: datetime,
        contacts: ContactComparison,
        planned: Mapping[str, Any],
        read: Mapping[str, int],
        diff: Differences | None,
        doubt: str | None,
    ) -> None:
        store = self.store
        if doubt is None:
            store.end_others(self.run_id, self.named or None)
        store.link(self.run_id)
        if not self.named:
            compared = {"crm_kinds": lists.kinds, "before": before}
            self.connection.execute(
                statement("crm_snapshot/compared"), {"target_id": self.identity.target_id, **compared}
            )
            self.connection.execute(
                statement("crm_snapshot/compared_anew"), {**self.identity.parameters(), **compared}
            )
        known, records = store.scope()
        # Those that the repair has planned are known by now.
        in_scope = known + len(contacts.unknown - set(self._mapped(frozenset(contacts.unknown))))
        differing = store.differing_contacts()
        waiting = contacts.counts["waiting"]
        counts = {
            **store.counts(),
            "in_scope": in_scope,
            "in_sync": max(0, in_scope - differing - waiting),
            "waiting": waiting,
            "left_out": contacts.counts["left_out"],
            "compared": contacts.counts["compared"],
            "records": records,
        }
        store.finish(counts)
        update_run(
            self.connection,
            self.run_id,
            RunState.PLANNED,
            {
                "reconciliation": {"id": store.reconciliation_id, "depth": self.depth, **counts},
                "read_in_krayin": dict(read),
                "sweep": {} if diff is None else diff.to_json(),
                **planned,
            },
            doubt,
        )

    def _keep(self, findings: Iterable[Finding]) -> None:
        self.store.write(
            self._with_state(one) for one in findings if not self.named or one.contact_id in self.named
        )

    def _with_state(self, finding: Finding) -> Finding:
        if not finding.repairable:
            return finding
        repairs = self.policy.repairs(finding.kind)
        return finding.in_state(FindingState.REPAIRING if repairs else FindingState.OPEN)


_ACTIVITIES = {Stream.CONVERSATIONS: CONVERSATION, Stream.MESSAGES: MESSAGE}
_ORPHANED = {Stream.CONTACTS: "contact", **_ACTIVITIES}


def _chunks(keys: Iterator[int]) -> Iterator[list[int]]:
    while chunk := list(islice(keys, CHUNK)):
        yield chunk


def _chunks_of(keys: Sequence[int]) -> Iterator[list[int]]:
    return _chunks(iter(keys))
