"""What may be wrong with a sync, and telling each change of it once, recovery included; and its reports."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol

from psycopg.rows import dict_row
from statements import statement

from reconciliation.model.duration import duration
from reconciliation.store import reports

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    import psycopg

    from reconciliation.settings.sync_settings import NotifySettings, SyncSettings

log = logging.getLogger(__name__)

BAD_ENDS = ("stopped", "failed")
REPORT_AGE = timedelta(minutes=15)
"""How old a report is that the tries of its task did not bring where it is to go."""
STORED = "path"
"""The way of a report to where the sync file wants it; the other ways are channels."""


class Notice(Protocol):
    """What a channel is told; `subject` is one line, `page` the address of the page that helps."""

    @property
    def subject(self) -> str: ...  # noqa: D102
    @property
    def message(self) -> str: ...  # noqa: D102
    @property
    def since(self) -> datetime: ...  # noqa: D102
    @property
    def page(self) -> str: ...  # noqa: D102

    def to_json(self) -> dict[str, Any]: ...  # noqa: D102


REPORT_PAGE = "/krayin-sync/reports/{run}/report.html"
PAGES = {
    "quarantine": "/krayin-sync/work?sync={sync}",
    "unknown_outcomes": "/krayin-sync/runs/{sync}",
    "behind": "/dags/{sync}__sync",
    "run_failed": "/krayin-sync/runs/{sync}",
    "reconciliation_failed": "/dags/{sync}__reconcile",
    "token_refused": "/connections",
    "approval_waiting": "/krayin-sync/work?sync={sync}",
    "report_not_written": "/dags/{sync}__reconcile",
    "incident": "/krayin-sync/",
}
"""By condition, where in Airflow it is looked into and mended."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing that is watched: whether it is so now, and a sentence for either case."""

    name: str
    raised: bool
    message: str


@dataclass(frozen=True, slots=True)
class Alert:
    """One change to be told; `since` is aware, `page` the address of the page that mends it."""

    sync_name: str
    condition: str
    raised: bool
    message: str
    since: datetime
    page: str

    @property
    def kind(self) -> str:
        """What kind of condition it is: each incident is one of its own, `incident:12`."""
        return self.condition.partition(":")[0]

    @property
    def subject(self) -> str:
        """One line."""
        return f"[{self.sync_name}] {'' if self.raised else 'Over: '}{self.kind.replace('_', ' ')}"

    def to_json(self) -> dict[str, Any]:
        """Return the body of an HTTP notification; no personal data."""
        return {
            "sync": self.sync_name,
            "condition": self.kind,
            "state": "raised" if self.raised else "over",
            "since": self.since.isoformat(),
            "page": self.page,
            "text": f"{self.subject}: {self.message}",
        }


@dataclass(frozen=True, slots=True)
class ReportNotice:
    """What a comparison counted, to be told with a link to its report; `since` is when it was made.

    Without a comparison that came to its end the numbers are None.
    """

    sync_name: str
    run_id: int
    in_scope: int | None
    in_sync: int | None
    differences: int
    new: int
    since: datetime
    page: str

    @property
    def subject(self) -> str:
        """One line."""
        return f"[{self.sync_name}] {self.message}"

    @property
    def message(self) -> str:
        """One sentence."""
        if self.in_scope is None:
            return f"the comparison of run {self.run_id} did not come to its end"
        return (
            f"{self.in_sync:,} of {self.in_scope:,} contacts are in Krayin as they should be, "
            f"{self.differences:,} differences, {self.new:,} of them new"
        )

    def to_json(self) -> dict[str, Any]:
        """Return the body of an HTTP notification; no personal data."""
        return {
            "sync": self.sync_name,
            "report": self.page,
            "run": self.run_id,
            "in_scope": self.in_scope,
            "in_sync": self.in_sync,
            "differences": self.differences,
            "new": self.new,
            "text": f"{self.subject}: {self.page}",
        }


def conditions_of(row: Mapping[str, Any], settings: SyncSettings) -> Iterator[Condition]:
    """Yield how each condition of a sync stands, from a row of `alert/conditions`."""
    notify = settings.notify
    quarantined, unknown, held = row["quarantined"], row["unknown"], row["held"]
    yield Condition(
        "quarantine",
        quarantined > notify.quarantined_over,
        f"{quarantined} contacts are quarantined (limit {notify.quarantined_over}): somebody has to decide",
    )
    yield Condition(
        "unknown_outcomes",
        unknown > 0,
        f"{unknown} calls have had no known outcome for {notify.unknown_minutes} minutes"
        if unknown
        else "every call has a known outcome",
    )
    behind = row["seconds_behind"] or 0
    watched = settings.enabled and settings.schedule is not None
    yield Condition(
        "behind",
        watched and behind > notify.behind_minutes * 60,
        f"Chatwoot was last read {duration(behind)} ago (limit {notify.behind_minutes} minutes): "
        f"see the runs of {settings.name}__sync",
    )
    yield Condition(
        "run_failed",
        row["run_state"] in BAD_ENDS,
        f"run {row['run_id']} ended as {row['run_state']}",
    )
    yield Condition(
        "reconciliation_failed",
        row["reconciliation_state"] in BAD_ENDS,
        f"comparison {row['reconciliation_id']} ended as {row['reconciliation_state']}",
    )
    yield Condition(
        "token_refused",
        row["token_refused"],
        "Krayin refuses the API token: put a new one into the Airflow connection, then run krayin_setup"
        if row["token_refused"]
        else "Krayin accepts the API token",
    )
    yield Condition(
        "approval_waiting",
        held > 0,
        f"{held} changes wait for an answer in {settings.name}__approval" if held else "nothing is held",
    )
    late = row["late_reports"]
    yield Condition(
        "report_not_written",
        late > 0,
        f"{late} reports could not be written to {settings.reconcile.report.path}: the log of "
        f"{settings.name}__reconcile says why; the next comparison writes them too"
        if late
        else "every report is where it is to go",
    )
    for incident in row["incidents"]:
        what = incident["sentence"] if incident["open"] else f"is over: {incident['why']}"
        yield Condition(f"incident:{incident['id']}", incident["open"], f"Incident {incident['id']}: {what}")


def channels_of(notify: NotifySettings) -> tuple[str, ...]:
    """Return by which ways a sync's alerts are told."""
    return tuple(
        channel
        for channel, on in (("http", notify.http_conn_id is not None), ("mail", bool(notify.email_to)))
        if on
    )


def _place(notify: NotifySettings, channel: str) -> tuple[Any, ...]:
    """Return where a channel takes messages to."""
    if channel == "http":
        return notify.http_conn_id, notify.endpoint
    return notify.smtp_conn_id, *sorted(notify.email_to)


def report_ways(settings: SyncSettings) -> list[str]:
    """Return the ways that the report of a sync's comparison goes."""
    told = channels_of(settings.notify) if settings.notify.reports else ()
    return [*((STORED,) if settings.reconcile.report.path else ()), *told]


def watch(connection: psycopg.Connection, settings: SyncSettings) -> list[Condition]:
    """Note what changed with a sync and return how everything stands; `connection` is in autocommit mode."""
    with connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(
            statement("alert/conditions"),
            {
                "sync_name": settings.name,
                "unknown_age": timedelta(minutes=settings.notify.unknown_minutes),
                "report_way": STORED if settings.reconcile.report.path else "",
                "report_age": REPORT_AGE,
            },
        ).fetchone()
    assert row is not None
    conditions = list(conditions_of(row, settings))
    for condition in conditions:
        connection.execute(
            statement("alert/change"),
            {
                "sync_name": settings.name,
                "condition": condition.name,
                "raised": condition.raised,
                "message": condition.message,
                "channels": list(channels_of(settings.notify)),
            },
        )
    return conditions


def notify(
    connection: psycopg.Connection,
    settings: SyncSettings,
    send: Mapping[str, Callable[[Notice], None]],
    base_url: str,
    syncs: Sequence[SyncSettings] = (),
) -> list[str]:
    """Tell each channel of `send` what it was not told yet; return a line for each message that failed.

    A message is noted as told after it was taken: a death in between repeats it rather than losing it.
    `base_url` is Airflow's own address, for links. An incident that stops several of `syncs` is told once
    where their messages go to the same place.
    """
    failed: list[str] = []

    def is_told(channel: str, notice: Notice) -> bool:
        try:
            send[channel](notice)
        except Exception as error:  # noqa: BLE001 - notifiers raise whatever their libraries do
            failed.append(f"{notice.subject} by {channel}: {type(error).__name__}: {error}")
            return False
        log.info("Sent by %s: %s", channel, notice.subject)
        return True

    for channel in channels_of(settings.notify):
        place = _place(settings.notify, channel)
        peers = [one.name for one in syncs if _place(one.notify, channel) == place]
        rows = connection.execute(
            statement("alert/untold"), {"sync_name": settings.name, "channel": channel}
        ).fetchall()
        for condition, raised, message, since in rows:
            page = base_url + PAGES[condition.partition(":")[0]].format(sync=settings.name)
            if is_told(channel, Alert(settings.name, condition, raised, message, since, page)):
                connection.execute(
                    statement("alert/told"),
                    {
                        "sync_name": settings.name,
                        "condition": condition,
                        "raised": raised,
                        "channel": channel,
                        "peers": peers,
                    },
                )
        for row in reports.due(connection, settings.name, channel) if settings.notify.reports else ():
            page = base_url + REPORT_PAGE.format(run=row["run_id"])
            if is_told(channel, ReportNotice(settings.name, **row, page=page)):
                reports.gone(connection, row["run_id"], channel)
    return failed
