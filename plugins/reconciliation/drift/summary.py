"""What a comparison found and what became of it, in words for a log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reconciliation.drift.finding import LABELS, FindingClass

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciliation.store.run_rows import Run


def numbers_of(run: Run) -> dict[str, Any]:
    """Return the few numbers of a comparison that are kept with its Airflow task (no contents)."""
    found: Mapping[str, Any] = run.summary.get("reconciliation", {})
    shown: dict[str, Any] = {"run": run.id, "state": str(run.state), "calls": run.summary.get("calls", 0)}
    return shown | {name: value for name, value in found.items() if isinstance(value, int | str)}


def lines_of(run: Run) -> list[str]:
    """Return the summary of a comparison, one fact a line."""
    found: Mapping[str, Any] = run.summary.get("reconciliation", {})
    lines = [f"Comparison {found.get('id', '-')} of sync {run.sync_name} ({found.get('depth')}): {run.state}"]
    if run.message:
        lines.append(f"  {run.message}")
    lines.append(
        f"  contacts            {found.get('in_scope', 0)}, {found.get('in_sync', 0)} of them in sync"
    )
    if found.get("waiting"):
        lines.append(f"  planned already     {found['waiting']} contacts")
    states = found.get("states", {})
    for kind in FindingClass:
        if found.get(kind):
            how = ", ".join(f"{number} {state}" for state, number in sorted(states.get(kind, {}).items()))
            lines.append(f"  {kind:<19} {found[kind]} ({how}): {LABELS[kind]}")
    if found.get("repair_calls"):
        lines.append(
            f"  repairs             {found['repair_calls']} calls for everything that can be repaired"
        )
    if run.summary.get("held"):
        lines.append(f"  wait for approval   {run.summary['held']} operations")
    lines.append(
        f"  calls to Krayin     {run.summary.get('calls', 0)} ({run.summary.get('writes', 0)} writes, "
        f"{run.summary.get('refused', 0)} refused)"
    )
    return lines
