"""Compares Krayin with Chatwoot both ways, keeps what differs, and repairs what the policy names."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from chatwoot.source import ByIds, ListedIds
from chatwoot.streams import BUCKET_BITS
from krayin.permits import Lane

from reconciliation.crm.lists import CrmLists
from reconciliation.drift.context import Drift
from reconciliation.drift.detectors.activities import StagedDetector, activities_in_krayin
from reconciliation.drift.detectors.companies import companies_in_krayin
from reconciliation.drift.detectors.contacts import ContactDetector, ContactReader
from reconciliation.drift.detectors.crm_edits import find_edits, read_lists
from reconciliation.drift.detectors.duplicates import duplicates
from reconciliation.drift.detectors.gone_contacts import GoneContactDetector
from reconciliation.drift.detectors.unsettled import closed_by_us, unsettled
from reconciliation.drift.finding_store import FindingStore, accept, settle
from reconciliation.drift.repair import Repairs
from reconciliation.drift.request import declined_sources, policy_of
from reconciliation.extract.checksum_diff import ChecksumDiff, ChecksumDifference
from reconciliation.extract.look import Look, looking
from reconciliation.extract.merged_contacts import MergeEvidence
from reconciliation.extract.scope_changes import ScopeChanges
from reconciliation.extract.streams import ACTIVITIES, CONTACTS, PROGRESS, RECORDS, streams
from reconciliation.run.factory import RunFactory
from reconciliation.run.request import RunRequest
from reconciliation.settings.targets import pipeline_of
from reconciliation.store.binding_scope import register_installation, register_scope
from reconciliation.store.connection import working
from reconciliation.store.run_rows import (
    RunKind,
    RunState,
    failing_run,
    open_run,
    read_run,
    update_run,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import psycopg
    from chatwoot.source import Selection, SourceFilter, SourceSnapshot
    from chatwoot.streams import Stream

    from reconciliation.drift.detectors.crm_edits import CrmEdits
    from reconciliation.drift.finding import Finding
    from reconciliation.drift.request import ReconcileRequest
    from reconciliation.extract.checksum_diff import Differences
    from reconciliation.model.stages import Pipeline
    from reconciliation.run.streams import RunStreams
    from reconciliation.run.sync_run import Sync
    from reconciliation.store.run_rows import Run

log = logging.getLogger(__name__)

CHUNK = 500


def compare(sync: Sync, request: ReconcileRequest) -> int:
    """Compare, keep what differs and plan its repair; return the id of the run. Nothing is written to Krayin.

    Raises:
        As `Sync.plan`.
    """
    with working(sync.sync_dsn) as connection:
        run_id = open_run(
            connection, sync.settings.name, RunKind.RECONCILE, dag_run_id=request.dag_run_id, dry_run=False
        )
        with failing_run(connection, run_id):
            if request.accepted:
                by = request.asked_by or f"run {run_id}"
                number = accept(connection, sync.settings.name, sorted(request.accepted), by=by)
                log.info("%d differences are accepted from now on.", number)
            if sync.settings.enabled:
                _compare(sync, connection, run_id, request)
            else:
                said = "the sync is switched off (enabled: false)"
                update_run(connection, run_id, RunState.PLANNED, {"read": 0}, said)
        return run_id


def repair(sync: Sync, run_id: int, *, seconds: float | None = None) -> Run:
    """Carry out what is planned and note what became of the findings; return the run as it stands then.

    Raises:
        As `Sync.load`.
    """
    try:
        sync.load(run_id, seconds=seconds)
    finally:
        with working(sync.sync_dsn) as connection:
            counts = settle(connection, run_id, sync.settings.name)
            run = read_run(connection, run_id)
            if counts:
                update_run(connection, run_id, run.state, {"reconciliation": counts}, run.message)
                run = read_run(connection, run_id)
    return run


def _compare(sync: Sync, connection: psycopg.Connection, run_id: int, request: ReconcileRequest) -> None:
    settings = sync.settings
    depth = request.depth_on(datetime.now(UTC), settings.reconcile.full_on)
    policy = policy_of(settings, repair=request.repair)
    log.info(
        "Comparing %s; to be repaired: %s",
        "everything" if depth == "full" else "what changed",
        ", ".join(sorted(policy.classes)) or "nothing",
    )
    with sync.opened(connection, run_id, Lane.DRIFT) as (krayin, targets):
        with looking(connection, settings, sync.source, reads_all=False) as snapshot:
            installation = register_installation(connection, snapshot.installation)
        identity = register_scope(connection, krayin.target_id, installation, settings.chatwoot.account_id)
        if policy.classes and not (request.repair or request.contact_ids):
            # Who asks by hand for all repairs, or for certain contacts, asks for these too.
            policy = replace(policy, declined=declined_sources(connection, identity))
        parts = RunFactory(sync, connection, krayin, targets)
        drift = Drift(parts, identity, run_id, depth, policy, request.contact_ids)
        _Comparison(drift, FindingStore.open(drift), Repairs(drift)).run()


@dataclass(frozen=True, slots=True)
class _Comparison:
    """One comparison: detectors find, repairs are planned, and both are noted.

    Krayin is read first, because that may take long and Chatwoot's snapshot should not be held open
    meanwhile; what then looks edited is read once more before it is called so.
    """

    drift: Drift
    store: FindingStore
    repairs: Repairs

    def run(self) -> None:
        drift, repairs, store = self.drift, self.repairs, self.store
        sync, krayin = drift.parts.sync, drift.parts.krayin
        lists = CrmLists.of(drift.settings, drift.connection, krayin.client, drift.identity)
        read = read_lists(drift, lists)
        (before,) = drift.execute("crm_snapshot/clock").fetchone() or (None,)
        edits = find_edits(drift, lists)
        pipeline = pipeline_of(self.drift.parts.targets, self.drift.parts.krayin.catalogue)
        with looking(drift.connection, drift.settings, sync.source) as snapshot:
            scope, read_at = sync.scope, snapshot.read_at
            snapshot.check(scope)
            look = Look.begin(drift.connection, drift.settings, drift.identity, snapshot)
            MergeEvidence(drift.connection, drift.identity, snapshot).remember()
            diff = None if drift.named else self._diff(snapshot, scope)
            changes = ScopeChanges(
                drift.connection, drift.settings.name, drift.identity, scope.where is not None
            )
            if diff is not None and changes.has_rule:
                for left in _chunks(diff.keys(CONTACTS.stream, ChecksumDifference.LEFT)):
                    changes.leave(left)
            doubt = _judge(look, diff, keep=not changes.has_rule)
            returned = self._find_gone(snapshot, scope, diff) if look.is_whole else set()
            repairs.take(activities_in_krayin(drift, lists, edits))
            repairs.take(companies_in_krayin(drift, edits))
            known = self._known_to_look_at(diff)
            reader = self._reader(snapshot, scope, lists, edits, pipeline)
            wanted = edits.contacts | known["contact"] | returned | repairs.survivors | repairs.contacts
            for contact_ids in _chunks(self._contact_ids(wanted, diff)):
                found = reader.compare(contact_ids)
                repairs.take(finding for _, findings in found for finding in findings)
                repairs.stage([contact for contact, _ in found])
            conversations = self._stage_conversations(snapshot, scope, diff, known)
            if not look.is_whole:
                conversations.keep_known()
        repairs.decide(read_at)
        stage_id = drift.parts.targets.stage_id
        repairs.judge_staged(StagedDetector(pipeline, stage_id, drift.settings.on_crm_edit))
        # Before the diff is remembered: what it found is not found a second time.
        self._keep(repairs.findings)
        # What is doubted is to be found again.
        planned = repairs.plan(read_at, conversations, diff if look.is_whole else None, edits.custom)
        self._keep(unsettled(drift))
        self._keep(closed_by_us(drift))
        self._keep(duplicates(drift, lists.kinds, pipeline.final))
        look.note(compared=diff is not None)
        if doubt is None:
            store.end_others(drift.run_id, drift.named or None)
        store.link(drift.run_id)
        if not drift.named:
            drift.execute("crm_snapshot/compared", crm_kinds=lists.kinds, before=before)
            drift.execute("crm_snapshot/compared_anew", crm_kinds=lists.kinds, before=before)
        counts = self._counts(reader, changes.count())
        store.finish(counts)
        update_run(
            drift.connection,
            drift.run_id,
            RunState.PLANNED,
            {
                "reconciliation": {"id": store.reconciliation_id, "depth": drift.depth, **counts},
                "read_in_krayin": read,
                "sweep": {} if diff is None else diff.to_json(),
                **planned,
            },
            doubt,
        )

    # --- Chatwoot -----------------------------------------------------------------------------

    def _diff(self, snapshot: SourceSnapshot, scope: SourceFilter) -> Differences:
        drift, settings = self.drift, self.drift.settings
        return ChecksumDiff(
            drift.connection,
            settings.name,
            drift.identity,
            snapshot,
            scope,
            [spec.stream for spec in (CONTACTS, *streams(settings))],
            settings.history_start(datetime.now(UTC)),
        ).differences(every_mapped=drift.depth == "full")

    def _find_gone(self, snapshot: SourceSnapshot, scope: SourceFilter, diff: Differences | None) -> set[int]:
        """Find what is gone in Chatwoot; return the contacts that were taken for gone and are there."""
        named, detector = self.drift.named, GoneContactDetector(self.drift, snapshot, scope)
        if diff is None:
            there = snapshot.there(CONTACTS.stream, scope, sorted(named))
            detector.note("contact", self.drift.mapped(named - there))
        else:
            for spec in RECORDS:
                if spec.stream in diff.streams:
                    detector.note(spec.kind, diff.keys(spec.stream, ChecksumDifference.VANISHED))
        for plan, rows, further in detector.plans():
            self.repairs.carry(plan, rows, further)
        return detector.returned

    def _known_to_look_at(self, diff: Differences | None) -> dict[str, set[int]]:
        """Return by kind what differed before, and what Chatwoot has and the mapping does not know."""
        drift, known = self.drift, self.store.present()
        if drift.named:
            return {kind: ids & drift.named if kind == "contact" else set() for kind, ids in known.items()}
        if drift.depth == "full" and diff is not None:
            for spec in RECORDS:
                # Left out so far, or lost.
                unmapped = drift.execute(
                    "checksum_diff/unmapped", stream=spec.stream, bits=BUCKET_BITS, source_kind=spec.kind
                )
                known[spec.kind] |= {row[0] for row in unmapped}
        return known

    @staticmethod
    def _contact_ids(wanted: set[int], diff: Differences | None) -> Iterator[int]:
        """Yield the contacts to compare: those that differ in Chatwoot, then the rest of those `wanted`."""
        left = set(wanted)
        for contact_id in () if diff is None else diff.keys(CONTACTS.stream):
            left.discard(contact_id)
            yield contact_id
        yield from sorted(left)

    def _stage_conversations(
        self,
        snapshot: SourceSnapshot,
        scope: SourceFilter,
        diff: Differences | None,
        known: Mapping[str, set[int]],
    ) -> RunStreams:
        """Stage what was said and differs: what the diff found, what is repaired, what differed before."""
        drift, repairs = self.drift, self.repairs
        request = RunRequest(
            kind=RunKind.RECONCILE,
            contact_ids=drift.named,
            diff_id=None if diff is None else diff.diff_id,
        )
        conversations = drift.parts.streams(drift.identity, drift.run_id, request)
        also: dict[Stream, Selection] = {
            spec.stream: ListedIds(partial(_chunks, sorted(repairs.activities[spec.kind] | known[spec.kind])))
            for spec in ACTIVITIES
        }
        if again := frozenset(repairs.leads | repairs.contacts):
            also[PROGRESS.stream] = ByIds(again)
        conversations.stage(snapshot, scope, datetime.now(UTC), also)
        return conversations

    # --- contacts -------------------------------------------------------------------------------

    def _reader(
        self,
        snapshot: SourceSnapshot,
        scope: SourceFilter,
        lists: CrmLists,
        edits: CrmEdits,
        pipeline: Pipeline,
    ) -> ContactReader:
        drift, rules = self.drift, self.drift.parts.rules()
        drift.execute("staged_contact/clear")
        drift.execute("staged_activity/clear")
        recreate, account_id = drift.policy.recreate, drift.identity.account_id
        detector = ContactDetector(account_id, rules, recreate, pipeline.order, edits.custom)
        return ContactReader(drift, snapshot, scope, lists, drift.parts.mapping_rules(snapshot), detector)

    # --- the end ------------------------------------------------------------------------------

    def _keep(self, findings: Iterable[Finding]) -> None:
        named = self.drift.named
        self.store.write(one for one in findings if not named or one.contact_id in named)

    def _counts(self, reader: ContactReader, out_of_scope: int) -> dict[str, Any]:
        known, records = self.store.scope()
        undecided = self.repairs.undecided
        # Those that the repair has planned are known by now.
        in_scope = known - out_of_scope + len(undecided - set(self.drift.mapped(undecided)))
        waiting = reader.counts["waiting"]
        return {
            **self.store.counts(),
            "in_scope": in_scope,
            "in_sync": self.store.in_sync(in_scope, waiting),
            "waiting": waiting,
            "left_out": reader.counts["left_out"],
            "out_of_scope": out_of_scope,
            "compared": reader.counts["compared"],
            "records": records,
        }


def _judge(look: Look, diff: Differences | None, *, keep: bool) -> str | None:
    """Return in a sentence why the look at Chatwoot may not be whole, None where nothing says so.

    With `keep` the numbers of rows are remembered: by a rule they say little, as labels come and go.
    """
    for stream, found in ({} if diff is None else diff.streams).items():
        look.counted(stream, found.rows, found.counts.get(ChecksumDifference.VANISHED, 0), keep=keep)
    return look.judge()


def _chunks(keys: Iterable[int]) -> Iterator[list[int]]:
    left = iter(keys)
    while chunk := list(islice(left, CHUNK)):
        yield chunk
