"""What the tasks of the DAG that compares Krayin with Chatwoot do."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any

from reconciliation.reconcile import reconcile
from reconciliation.reconcile.request import ReconcileRequest
from reconciliation.reconcile.summary import lines_of, numbers_of
from reconciliation.tasks.opening import open_sync
from reconciliation.tasks.sync_tasks import tell_of_held
from reconciliation.tasks.telling import telling

if TYPE_CHECKING:
    from collections.abc import Mapping

log = logging.getLogger(__name__)

REPAIR = {"yes": True, "no": False}


def compare(name: str, context: Mapping[str, Any]) -> int:
    """Compare, keep what differs and plan its repair; return the run's id in `sync_run`."""
    run_id = telling(lambda: reconcile.compare(open_sync(name), request_of(context)))
    tell_of_held(name, context)
    return run_id


def repair(name: str, run_id: int, *, seconds: float | None) -> dict[str, Any]:
    """Carry out the repairs, write to the log what was found and what became of it; return the numbers."""
    run = telling(lambda: reconcile.repair(open_sync(name), run_id, seconds=seconds))
    for line in lines_of(run):
        log.info("%s", line)
    return numbers_of(run)


def request_of(context: Mapping[str, Any]) -> ReconcileRequest:
    """Return what a DAG run asks for, from its form."""
    params = context["params"]
    depth = params.get("depth")
    return ReconcileRequest(
        dag_run_id=context["dag_run"].run_id,
        depth=depth if depth in {"changed", "full"} else None,
        repair=REPAIR.get(str(params.get("repair"))),
        contact_ids=_ids(params.get("contact_ids")),
        accepted=_ids(params.get("accept")),
    )


def _ids(text: str | None) -> frozenset[int]:
    return frozenset(map(int, re.findall(r"\d+", text or "")))
