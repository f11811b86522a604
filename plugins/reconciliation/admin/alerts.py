"""What may be wrong with a sync, and telling each change of it once, recovery included."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from psycopg.rows import dict_row
from statements import statement

from reconciliation.model.duration import duration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    import psycopg

    from reconciliation.settings.sync_settings import NotifySettings, SyncSettings

log = logging.getLogger(__name__)

BAD_ENDS = ("stopped", "failed")


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing that is watched: whether it is so now, and a sentence for either case."""

    name: str
    raised: bool
    message: str


@dataclass(frozen=True, slots=True)
class Alert:
    """One change to be told; `since` is aware."""

    sync_name: str
    condition: str
    raised: bool
    message: str
    since: datetime

    @property
    def subject(self) -> str:
        """One line."""
        return f"[{self.sync_name}] {'' if self.raised else 'Over: '}{self.condition.replace('_', ' ')}"

    def to_json(self) -> dict[str, Any]:
        """Return the body of an HTTP notification; no personal data."""
        return {
            "sync": self.sync_name,
            "condition": self.condition,
            "state": "raised" if self.raised else "over",
            "since": self.since.isoformat(),
            "text": f"{self.subject}: {self.message}",
        }


def conditions_of(row: Mapping[str, Any], settings: SyncSettings) -> Iterator[Condition]:
    """Yield how each condition of a sync stands, from a row of `alert/conditions`."""
    notify = settings.notify
    quarantined, unknown, held = row["quarantined"], row["unknown"], row["held"]
    yield Condition(
        "quarantine",
        quarantined > notify.quarantined_over,
        f"{quarantined} contacts are quarantined (limit {notify.quarantined_over}): see "
        f"krayin_sync.operation where state = 'quarantined', and krayin_replay",
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
        f"run {row['run_id']} ended as {row['run_state']}: its log says why",
    )
    yield Condition(
        "reconciliation_failed",
        row["reconciliation_state"] in BAD_ENDS,
        f"comparison {row['reconciliation_id']} ended as {row['reconciliation_state']}: its log says why",
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
    yield Condition("incident", row["incidents"] is not None, row["incidents"] or "no incident is open")


def channels_of(notify: NotifySettings) -> tuple[str, ...]:
    """Return by which ways a sync's alerts are told."""
    return tuple(
        channel
        for channel, on in (("http", notify.http_conn_id is not None), ("mail", bool(notify.email_to)))
        if on
    )


def watch(connection: psycopg.Connection, settings: SyncSettings) -> list[Condition]:
    """Note what changed with a sync and return how everything stands; `connection` is in autocommit mode."""
    with connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(
            statement("alert/conditions"),
            {
                "sync_name": settings.name,
                "unknown_age": timedelta(minutes=settings.notify.unknown_minutes),
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
    send: Mapping[str, Callable[[Alert], None]],
) -> list[str]:
    """Tell each channel of `send` what it was not told yet; return a line for each message that failed.

    A message is noted as told after it was taken: a death in between repeats it rather than losing it.
    """
    failed: list[str] = []
    for channel in channels_of(settings.notify):
        rows = connection.execute(
            statement("alert/untold"), {"sync_name": settings.name, "channel": channel}
        ).fetchall()
        for condition, raised, message, since in rows:
            alert = Alert(settings.name, condition, raised, message, since)
            try:
                send[channel](alert)
            except Exception as error:  # noqa: BLE001 - notifiers raise whatever their libraries do
                failed.append(f"{alert.subject} by {channel}: {type(error).__name__}: {error}")
                continue
            connection.execute(
                statement("alert/told"),
                {
                    "sync_name": settings.name,
                    "condition": condition,
                    "raised": raised,
                    "channel": channel,
                },
            )
            log.info("Sent by %s: %s", channel, alert.subject)
    return failed
