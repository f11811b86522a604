"""What a comparison does about its differences: decided by the planner, dropped or planned by the policy."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from statements import statement

from reconciliation.extract.checksum_diff import remember
from reconciliation.plan.contact_planner import ContactPlanner
from reconciliation.plan.engine import withdraw
from reconciliation.plan.lead_stage import plan_reopenings
from reconciliation.reconcile.decisions import Decisions
from reconciliation.reconcile.finding import FindingClass
from reconciliation.reconcile.seen_reads import SeenReads
from reconciliation.run.request import RunRequest
from reconciliation.sync_database.run_rows import RunKind, count_calls

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciliation.binding_scope import BindingScope
    from reconciliation.extract.checksum_diff import Differences
    from reconciliation.reconcile.contact_comparison import ContactComparison
    from reconciliation.reconcile.orphans import Orphans
    from reconciliation.reconcile.repair_policy import Policy
    from reconciliation.run.conversation_streams import ConversationStreams
    from reconciliation.run.factory import RunFactory

# What frees an address goes before what claims it.
EARLY = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class RepairPlan:
    """Plans the repairs of one comparison, through the ordinary planner and in the drift lane.

    The parts' connection to the sync database is in autocommit mode.
    """

    parts: RunFactory
    identity: BindingScope
    run_id: int
    policy: Policy

    def decide(self, contacts: ContactComparison, read_at: datetime) -> Decisions:
        """Ask the planner what it would do about contacts without a person, and about their companies.

        Chatwoot was read at `read_at` (aware).
        """
        decisions = Decisions()
        if contacts.undecided or contacts.news:
            request = RunRequest(kind=RunKind.RECONCILE, dry_run=True)
            with self.parts.planning(self.identity, self.run_id, request, read_at) as engine:
                # Without reads: those of single records would read each of them.
                ContactPlanner(engine, self.parts.rules()).run(decisions)
        return decisions

    def drop_unrepaired(self, contacts: ContactComparison, decisions: Decisions) -> set[int]:
        """Unstage the contacts that the policy leaves alone; return the new ones that are planned."""
        repaired = decisions.to_repair(contacts.undecided, self.policy)
        dropped = contacts.undecided - repaired
        if not self.policy.repairs(FindingClass.CHANGED):
            dropped |= contacts.news - contacts.repaired
        if dropped:
            self.parts.connection.execute(
                statement("staged_contact/drop"),
                {"run_id": self.run_id, "contact_ids": sorted(dropped)},
            )
        return repaired

    def plan(
        self,
        read_at: datetime,
        orphans: Orphans,
        conversations: ConversationStreams,
        diff: Differences | None,
        custom: Mapping[tuple[str, int], Mapping[str, Any]],
    ) -> dict[str, Any]:
        """Plan what is staged and the fate of orphans; the diff is remembered with the end of it.

        Return the numbers for `sync_run.summary`.

        Args:
            read_at: when Chatwoot was read (aware).
            orphans: with the removals to plan.
            conversations: with the activities and stage moves that are staged.
            diff: what Chatwoot's diff found, None when single contacts were compared.
            custom: custom fields by (kind, CRM id), where they were read and differ.
        """
        run_id = self.run_id
        due_at = (datetime.now(UTC) - EARLY).isoformat()
        with self.parts.planning(
            self.identity, run_id, RunRequest(kind=RunKind.RECONCILE), read_at
        ) as engine:
            with engine.connection.transaction():
                for removal in orphans.removals:
                    withdraw(engine.connection, self.identity, removal.source_kind, [removal.source_id])
                engine.write([one.to_operation(due_at) for one in orphans.removals])
                engine.guard.require_approval()
            reads = SeenReads(self.parts, self.identity, custom)
            planned = ContactPlanner(engine, self.parts.rules(), reads).run()
            conversations.plan(engine, self.parts.krayin.client)
            plan_reopenings(engine)
        with self.parts.connection.transaction():
            if diff is not None:
                remember(self.parts.connection, diff.diff_id, self.parts.sync.settings.name, self.identity)
            conversations.clear()
            self.parts.connection.execute(statement("staged_contact/clear"), {"run_id": run_id})
        calls = count_calls(self.parts.connection, run_id)
        return {
            **planned.to_json(),
            **calls,
            "held": engine.guard.awaiting_approval(),
            **self.parts.forecast(engine).to_json(calls["calls"]),
        }
