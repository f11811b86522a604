"""Compares Krayin with Chatwoot both ways, keeps what differs, and repairs what the policy names."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from krayin.rate_limiter import Lane

from reconciliation.binding_scope import BindingScope, register_installation
from reconciliation.extract.look import looking
from reconciliation.reconcile.comparison_run import ComparisonRun
from reconciliation.reconcile.finding_store import FindingStore, accept, settle
from reconciliation.reconcile.repair_policy import declined_sources, policy_of
from reconciliation.sync_database.connection import working
from reconciliation.sync_database.run_rows import (
    RunKind,
    RunState,
    failing_run,
    open_run,
    read_run,
    update_run,
)

if TYPE_CHECKING:
    import psycopg

    from reconciliation.reconcile.request import ReconcileRequest
    from reconciliation.run.sync_run import Sync
    from reconciliation.sync_database.run_rows import Run

log = logging.getLogger(__name__)


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
                number = accept(connection, sync.settings.name, sorted(request.accepted))
                log.info("%d differences are accepted from now on.", number)
            if sync.settings.enabled:
                _compare(sync, connection, run_id, request)
            else:
                said = "the sync is switched off (enabled: false)"
                update_run(connection, run_id, RunState.PLANNED, {"read": 0}, said)
        return run_id


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
        identity = BindingScope(krayin.target_id, installation, settings.chatwoot.account_id)
        if policy.classes and not (request.repair or request.contact_ids):
            # Who asks by hand for all repairs, or for certain contacts, asks for these too.
            policy = replace(policy, declined=declined_sources(connection, identity))
        store = FindingStore.open(
            connection, run_id, settings.name, identity, depth=depth, repair=bool(policy.classes)
        )
        ComparisonRun(
            sync, connection, run_id, request, krayin, targets, identity, store, depth, policy
        ).run()


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
    with working(sync.sync_dsn) as connection:
        return read_run(connection, run_id)
