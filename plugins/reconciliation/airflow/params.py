"""What a DAG run asks for, from its type, its days and its form."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from reconciliation.drift.request import ReconcileRequest
from reconciliation.run.request import RunRequest
from reconciliation.store.run_rows import RunKind

if TYPE_CHECKING:
    from collections.abc import Mapping


def run_request(context: Mapping[str, Any]) -> RunRequest:
    """Return what a DAG run asks for, from its type and its form."""
    dag_run, params = context["dag_run"], context["params"]
    asks_for_window = params.get("window_start") or params.get("window_end")
    window = _window(params) if asks_for_window else None
    return RunRequest(
        kind=RunKind.SCHEDULED if _run_type(dag_run) == "scheduled" else RunKind.MANUAL,
        dag_run_id=dag_run.run_id,
        contact_ids=_ids(params.get("contact_ids")),
        window=window,
        full=bool(params.get("full")),
        dry_run=bool(params.get("dry_run")),
    )


def backfill_request(context: Mapping[str, Any]) -> RunRequest | None:
    """Return what a run of the backfill DAG asks for: its day, or its form's window; None: nothing."""
    dag_run, params = context["dag_run"], context["params"]
    match _run_type(dag_run):
        case "backfill":
            window = dag_run.data_interval_start, dag_run.data_interval_end
            dry_run = False
        case "manual":
            window = _window(params)
            dry_run = not params.get("carry_out")
        case _:
            return None
    return RunRequest(kind=RunKind.BACKFILL, dag_run_id=dag_run.run_id, window=window, dry_run=dry_run)


def reconcile_request(context: Mapping[str, Any]) -> ReconcileRequest:
    """Return what a run of the reconcile DAG asks for, from its form."""
    params = context["params"]
    depth = params.get("depth")
    return ReconcileRequest(
        dag_run_id=context["dag_run"].run_id,
        depth=depth if depth in {"changed", "full"} else None,
        repair={"yes": True, "no": False}.get(str(params.get("repair"))),
        contact_ids=_ids(params.get("contact_ids")),
        accepted=_ids(params.get("accept")),
        asked_by=asked_by(context),
    )


def asked_by(context: Mapping[str, Any]) -> str:
    """Return the user who started a DAG run, or its id where that is not known."""
    dag_run = context["dag_run"]
    return str(getattr(dag_run, "triggering_user_name", None) or f"DAG run {dag_run.run_id}")


def _ids(text: str | None) -> frozenset[int]:
    return frozenset(map(int, re.findall(r"\d+", text or "")))


def _window(params: Mapping[str, Any]) -> tuple[datetime, datetime]:
    start = _moment(params.get("window_start")) or datetime(1970, 1, 1, tzinfo=UTC)
    return start, _moment(params.get("window_end")) or datetime.now(UTC)


def _run_type(dag_run: Any) -> str:
    # An enumeration in tasks, a plain word in `dag.test()`.
    return str(getattr(dag_run.run_type, "value", dag_run.run_type))


def _moment(text: str | None) -> datetime | None:
    if not text:
        return None
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
