"""What a run did, in words for a log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reconciliation.model.duration import duration
from reconciliation.run.write_back import lines_of as write_back_lines
from reconciliation.store.run_rows import ACTIONS, Run, RunKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PLURALS = {"activity": "activities"}
_BLANK: tuple[Any, ...] = (None, "", [])
NUMBERS = (
    "read",
    "unchanged",
    "calls",
    "writes",
    "refused",
    "quarantined",
    "failed",
    "waiting",
    "held",
    "forecast_calls",
    "forecast_seconds",
    "elapsed_seconds",
)


def numbers_of(run: Run) -> dict[str, Any]:
    """Return the few numbers of a run that are kept with its Airflow task (no contents)."""
    shown: dict[str, Any] = {"run": run.id, "state": str(run.state)}
    shown |= {name: run.summary[name] for name in NUMBERS if name in run.summary}
    for action in ACTIONS:
        shown[action] = run.summary.get(action, {})
    shown["skipped"] = run.summary.get("skipped", {})
    if run.summary.get("write_back"):
        shown["write_back"] = run.summary["write_back"]
    return shown


def lines_of(run: Run) -> list[str]:
    """Return the summary of a run, one fact a line."""
    summary = run.summary
    kind = f"{run.kind}, dry: nothing was sent" if run.dry_run else run.kind
    lines = [f"Run {run.id} of sync {run.sync_name} ({kind}): {_state(run)}"]
    if run.message:
        lines.append(f"  {run.message}")
    if run.kind is not RunKind.RECONCILE:
        read, unchanged = summary.get("read", 0), summary.get("unchanged", 0)
        lines.append(f"  contacts read       {read} ({unchanged} unchanged)")
    if run.dry_run:
        planned = ", ".join(f"{number} {action}" for action, number in summary.get("planned", {}).items())
        lines.append(f"  would be done       {planned or 'nothing'}")
        leads = ", ".join(f"{number} {action}" for action, number in summary.get("planned_leads", {}).items())
        lines += [f"  for further inboxes {leads}"] if leads else []
        lines += [*_dry_lines(summary), *_preview_lines(summary), *_rule_lines(summary)]
    for action in ACTIONS:
        counts = _counts(summary.get(action, {}))
        if counts:
            lines.append(f"  {action:<19} {counts}")
    for label, key, examples in (
        ("skipped", "skipped", "skipped_examples"),
        ("quarantined", "quarantine", ""),
        ("adjusted to fit", "warnings", "warning_examples"),
    ):
        for reason, number in sorted(summary.get(key, {}).items()):
            which = _examples(summary.get(examples, {}).get(reason, []), number)
            lines.append(f"  {label:<19} {number} {reason}{which}")
    lines += [
        f"  unreadable          contact {broken['contact']}: {broken['reason']}"
        for broken in summary.get("broken", [])
    ]
    lines += [
        f"  out of scope        {number} {what} stay in Krayin as they are"
        for what, key in (
            ("contacts", "out_of_scope"),
            ("leads for further inboxes", "leads_out_of_scope"),
        )
        if (number := summary.get(key, 0))
    ]
    lines += _conversation_lines(summary)
    lines += write_back_lines(summary.get("write_back", {}))
    if summary.get("held"):
        lines.append(f"  wait for approval   {summary['held']}, answered in {run.sync_name}__approval")
    if summary.get("waiting"):
        lines.append(f"  left for later      {summary['waiting']} operations")
    lines.append(
        f"  calls to Krayin     {summary.get('calls', 0)} ({summary.get('writes', 0)} writes, "
        f"{summary.get('refused', 0)} refused), forecast {summary.get('forecast_calls', 0)}"
    )
    took, forecast = duration(summary.get("elapsed_seconds", 0)), duration(summary.get("forecast_seconds", 0))
    pace = summary.get("requests_per_minute", 0)
    lines.append(f"  time                {took}, forecast {forecast} at {pace} calls a minute")
    return lines


def _state(run: Run) -> str:
    """Return how far a run is; what is left as it said itself a few seconds ago."""
    left = run.summary.get("remaining_seconds", run.summary.get("forecast_seconds"))
    if run.state.is_terminal or left is None:
        return run.state
    done, waiting = run.summary.get("done", 0), run.summary.get("waiting", 0)
    records = f", {done} of {done + waiting} records" if waiting else ""
    return f"{run.state}{records}, about {duration(left)} left"


def _dry_lines(summary: Mapping[str, Any]) -> list[str]:
    """Say what a plan would change: ids and names of fields; the values stand in `sync_run.summary`."""
    lines = [
        f"  would wait          workflow {workflow} is not confirmed"
        for workflow in summary.get("mailing_workflows", ())
    ]
    lines += [
        f"  would quarantine    contact {one['contact']}: {one['message']}"
        for one in summary.get("planned_quarantine_sample", ())
    ]
    # Who was asked for is told of further down, each of them.
    for one in () if "records" in summary else summary.get("sample", ()):
        fields = ", ".join(
            f"{kind} {name}" for kind, changes in one["changes"].items() for name in sorted(changes)
        )
        who = f"contact {one['contact']}" if "contact" in one else "a company"
        lines.append(f"  for example         {one['action']} {who}: {fields or 'nothing to write'}")
    return lines


def _preview_lines(summary: Mapping[str, Any]) -> Iterator[str]:
    """Say what would become of each contact asked for, and by which settings: no values."""
    for one in summary.get("records", ()):
        yield f"  {'contact ' + str(one['contact']):<19} {'; '.join(_preview_parts(one))}"
    if summary.get("records"):
        yield "  values              on the page Krayin sync, Runs, for those who may start this sync"


def _preview_parts(one: Mapping[str, Any]) -> Iterator[str]:
    if one["action"] == "left_out":
        yield f"left out: {one['reason']}"
        return
    yield one["action"].replace("_", " ") + (f": {one['reason']}" if one["reason"] else "")
    for kind in ("person", "lead"):
        if kind not in one["fields"]:
            yield f"no {kind} by {one['rules'][kind]}"
            continue
        fields = one["fields"][kind]
        filled = [field["name"] for field in fields if field.get("becomes", field["chatwoot"]) not in _BLANK]
        by = f" by {one['rules']['lead']}" if kind == "lead" else ""
        yield f"{kind}{by} ({', '.join(filled)})"
    if one["new"]:
        yield f"owner {(one['owner'] or {}).get('id', 'nobody')} by {one['rules']['owner']}"
    if one.get("leads"):
        yield _counts({"lead": len(one["leads"])}) + " for further inboxes"
    tags = max(map(len, one["tags"].values()), default=0)
    if tags:
        yield _counts({"tag": tags})
    if one["activities_planned"]:
        yield _counts({"activity": one["activities_planned"]})


def _rule_lines(summary: Mapping[str, Any]) -> Iterator[str]:
    for rules in summary.get("decided", {}).values():
        for rule, number in sorted(rules.items()):
            yield f"  decided by          {number} {rule}"


def _conversation_lines(summary: Mapping[str, Any]) -> Iterator[str]:
    for action, number in sorted(summary.get("activities_planned", {}).items()):
        yield f"  activities planned  {number} {action}"
    for verdict, number in sorted(summary.get("stages", {}).items()):
        yield f"  lead stages         {number} {verdict}"
    for reason, number in sorted(summary.get("activities_skipped", {}).items()):
        yield f"  not brought over    {number} conversations, messages or stage moves: {reason}"
    if summary.get("activities_of_new_contacts"):
        yield f"  of new contacts     {_counts(summary['activities_of_new_contacts'])}, read with them"
    if summary.get("activities_moved"):
        yield f"  moved by a merge    {summary['activities_moved']} activities now belong to another person"
    if summary.get("activities_waiting_for_contact"):
        yield f"  wait for a contact  {summary['activities_waiting_for_contact']} activities"


def _counts(counts: Mapping[str, int]) -> str:
    named = (
        (number, name if number == 1 else PLURALS.get(name, f"{name}s"))
        for name, number in sorted(counts.items())
    )
    return ", ".join(f"{number} {name}" for number, name in named)


def _examples(contact_ids: list[int], number: int) -> str:
    if not contact_ids:
        return ""
    shown = ", ".join(map(str, contact_ids))
    return f" (contacts {shown}{', ...' if number > len(contact_ids) else ''})"
