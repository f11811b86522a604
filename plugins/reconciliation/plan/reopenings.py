"""Plans the reopening of leads that we closed while their contacts were not to be seen in Chatwoot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from statements import statement

from reconciliation.plan.estimate import LEADS, Expected
from reconciliation.plan.operation_rows import OperationRow
from reconciliation.plan.stage_planner import STAGE
from reconciliation.sync_database.ledger import REOPEN

if TYPE_CHECKING:
    from reconciliation.plan.operation_rows import PlanScope


def plan_reopenings(plan: PlanScope) -> None:
    """Plan to reopen every lead whose contact is back, as moves of its stage.

    A move that is planned already reopens the lead as well.
    """
    connection, identity = plan.connection, plan.identity.parameters()
    with connection.transaction():
        connection.execute(statement("removal/end_made_again"), identity)
        due = connection.execute(statement("removal/due"), identity).fetchall()
        plan.write(
            (
                OperationRow(
                    source_kind=STAGE,
                    source_id=source_id,
                    payload={REOPEN: lead_id},
                    natural_keys=[],
                    expected=Expected(1, frozenset({LEADS})),
                    changes=["lead.reopened"],
                )
                for source_id, lead_id in due
            )
        )
        plan.guard.require_approval()
