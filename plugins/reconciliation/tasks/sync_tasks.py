"""What the DAGs' tasks do: open the connections by their Airflow ids and run a sync."""

from __future__ import annotations

import logging
import re
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from chatwoot.api.client import ChatwootApiUnreachable
from chatwoot.database.hook import ChatwootDatabaseHook
from chatwoot.errors import ChatwootError, ChatwootUnreachable, SnapshotInterrupted
from krayin.errors import KrayinError, NotSent, RateLimited, ServerFailed
from krayin.hook import KrayinHook
from structlog.contextvars import bind_contextvars

from reconciliation.approval.held_asset import tell
from reconciliation.approval.question import is_to_be_asked
from reconciliation.crm.krayin_connection import access_key
from reconciliation.errors import (
    ErasureWaitsError,
    ReconciliationError,
    SyncDatabaseError,
)
from reconciliation.run.metrics import measure_run
from reconciliation.run.request import RunRequest
from reconciliation.run.setup import check_sync
from reconciliation.run.summary import lines_of, numbers_of
from reconciliation.run.sync_run import Sync
from reconciliation.run.synced_asset import tell_synced
from reconciliation.settings.airflow_connections import connection_named, given_secret, sync_dsn
from reconciliation.settings.sync_files import load_syncs, sync_named
from reconciliation.sync_database.connection import connect
from reconciliation.sync_database.inheritance import existing
from reconciliation.sync_database.replay import ReplayRequest
from reconciliation.sync_database.replay import replay as replay_operations
from reconciliation.sync_database.run_rows import RunKind, read_run
from reconciliation.webhook.events import act_on_events

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from chatwoot.api.session import ApiSession
    from chatwoot.source import ChatwootSource
    from krayin.audit import ApiCall
    from krayin.client import KrayinClient
    from krayin.pacing import Pacer

    from reconciliation.settings.sync_settings import ChatwootSettings, SyncSettings

log = logging.getLogger(__name__)

Result = TypeVar("Result")

# What passes by itself: Airflow may try the task again. Everything else needs somebody to change something.
TRANSIENT = (
    NotSent,
    ServerFailed,
    RateLimited,
    SyncDatabaseError,
    ErasureWaitsError,
    ChatwootUnreachable,
    ChatwootApiUnreachable,
    SnapshotInterrupted,
)


# Beyond the time for an answer: until then the DAG run that asks may still be at its end.
WINDING_UP = timedelta(hours=1)


class AirflowKrayin:
    """A Krayin by the id of its Airflow connection."""

    def __init__(self, conn_id: str) -> None:
        """Name the connection."""
        self._hook = KrayinHook(conn_id)
        self._connection = connection_named(conn_id, "Krayin, type 'Krayin CRM'")

    def key(self) -> str:
        """Return what tells this address and token from others."""
        return access_key(self._hook.address(), self._connection.password or "")

    def requests_per_minute(self) -> int:
        """Return the number in the connection, 60 without one."""
        return self._hook.requests_per_minute()

    def client(self, pacer: Pacer, on_call: Callable[[ApiCall], None], lane: str | None) -> KrayinClient:
        """Return a client for the connection's address and token."""
        return self._hook.get_conn(pacer, on_call, lane=lane)


def open_sync(name: str) -> Sync:
    """Return the sync called `name` with its connections; nothing is connected yet.

    Raises:
        SettingsError: its file is missing or broken.
        ConnectionMissingError: a connection it names does not exist.
    """
    settings = sync_named(name)
    bind_contextvars(sync=name)
    return Sync(
        settings=settings,
        sync_dsn=sync_dsn(),
        source=open_source(settings.chatwoot),
        krayin=AirflowKrayin(settings.krayin.conn_id),
        write_back=_write_back(settings),
        existing=existing(load_syncs()),
    )


def _write_back(settings: SyncSettings) -> Callable[[], ApiSession] | None:
    """Return how ids are written back to Chatwoot, None where the settings do not wish it."""
    conn_id = settings.api_conn_id
    if settings.write_back_attribute is None or conn_id is None:
        return None
    from chatwoot.api.hook import ChatwootApiHook  # noqa: PLC0415 - most syncs do without

    connection_named(conn_id, "Chatwoot's API, type HTTP")
    return ChatwootApiHook(conn_id, settings.chatwoot.account_id).source().session


def open_source(chatwoot: ChatwootSettings) -> ChatwootSource:
    """Return the Chatwoot that the settings name; nothing is connected yet.

    Raises:
        ConnectionMissingError: its connection does not exist.
        ChatwootApiMisconfigured: a number in the connection's extra is none.
    """
    if chatwoot.source == "api":
        from chatwoot.api.hook import ChatwootApiHook  # noqa: PLC0415 - most syncs do without

        connection_named(chatwoot.conn_id, "Chatwoot's API, type HTTP")
        return ChatwootApiHook(chatwoot.conn_id, chatwoot.account_id).source(chatwoot.installation)
    connection_named(chatwoot.conn_id, "Chatwoot's database, type Postgres")
    return ChatwootDatabaseHook(chatwoot.conn_id).get_conn()


def plan(name: str, context: Mapping[str, Any]) -> int:
    """Extract and plan the run of `context` and return its id in `sync_run`."""
    run_id = telling(lambda: open_sync(name).plan(request_of(context)))
    tell_of_held(name, context)
    return run_id


def backfill(name: str, context: Mapping[str, Any]) -> dict[str, Any]:
    """Plan and load the day or the window of a backfill and return its numbers.

    Raises:
        AirflowSkipException: the run is one of the schedule that only lends its days to backfills.
    """
    request = backfill_of(context)
    if request is None:
        problem = "runs of this schedule do nothing: start an Airflow backfill, or a run by hand"
        raise AirflowSkipException(problem)
    run_id = telling(lambda: open_sync(name).plan(request))
    tell_of_held(name, context)
    return load(name, run_id, seconds=None, context=context)


def tell_of_held(name: str, context: Mapping[str, Any]) -> None:
    """Start the approval DAG with the success of this task if a plan is held that nobody is asked about."""
    patience = timedelta(days=sync_named(name).max_changes_without_approval.days_to_answer) + WINDING_UP
    with telling(lambda: connect(sync_dsn())) as connection:
        if is_to_be_asked(connection, name, patience):
            tell(context, name)


def load(
    name: str, run_id: int, *, seconds: float | None, context: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Carry out what is planned for a sync, write the summary to the log and return its numbers.

    With the `context` of a task that has the outlet for it, the end is told as an event of the sync's asset.
    """
    sync = telling(lambda: open_sync(name))
    try:
        run = telling(lambda: sync.load(run_id, seconds=seconds))
    except Exception:
        with connect(sync.sync_dsn) as connection:
            _log_lines(lines_of(read_run(connection, run_id)))
        raise
    _log_lines(lines_of(run))
    measure_run(run)
    if context is not None and not run.dry_run:
        tell_synced(context, name, numbers_of(run))
    return numbers_of(run)


def help_load(name: str, run_id: int, number: int, *, seconds: float | None) -> dict[str, Any]:
    """Carry out what is planned for a sync beside the run's first loader; return this loader's share."""
    loaded = telling(lambda: open_sync(name).help_load(run_id, seconds=seconds)).to_json()
    share = {name: loaded[name] for name in ("created", "updated", "adopted", "operations")}
    log.info("Loader %d of run %d: %s", number, run_id, share)
    return share


def events(name: str, context: Mapping[str, Any]) -> dict[str, Any]:
    """Plan and load what the waiting webhooks name; return the last round's numbers, none without any."""
    runs = telling(lambda: act_on_events(open_sync(name), context["dag_run"].run_id))
    tell_of_held(name, context)
    if not runs:
        log.info("No webhook waits.")
        return {}
    for run in runs:
        _log_lines(lines_of(run))
        measure_run(run)
    tell_synced(context, name, numbers_of(runs[-1]))
    return numbers_of(runs[-1])


def migrate() -> None:
    """Bring the sync database to the newest schema."""
    from reconciliation import migrations  # noqa: PLC0415 - alembic takes half a second to import

    migrations.upgrade(sync_dsn())


def check(name: str) -> None:
    """Check one sync: connections, settings against Krayin; write what was found to the log."""
    _log_lines(telling(lambda: list(check_sync(open_sync(name)))))
    _log_lines(telling(lambda: list(_webhook(name))))


def replay(params: Mapping[str, Any]) -> dict[str, int]:
    """Plan quarantined or declined operations again that a form names; return how many, and how many not."""
    request = telling(
        lambda: ReplayRequest(
            str(params["sync"]),
            params.get("operation"),
            params.get("error_class") or None,
            bool(params.get("all")),
            params.get("approval"),
        )
    )
    with telling(lambda: connect(sync_dsn())) as connection:
        done = replay_operations(connection, request)
    return {"planned": done.planned, "left": done.left}


def _webhook(name: str) -> Iterator[str]:
    from airflow.configuration import conf  # noqa: PLC0415 - the hot path does without all of these
    from chatwoot.api.hook import ChatwootApiHook  # noqa: PLC0415

    from reconciliation.sync_database.secret_box import airflow_box  # noqa: PLC0415
    from reconciliation.webhook.setup import set_up_webhook  # noqa: PLC0415

    settings = sync_named(name)
    conn_id, account_id = settings.webhook.api_conn_id, settings.chatwoot.account_id
    if conn_id is not None:
        connection_named(conn_id, "Chatwoot's API, type HTTP")
    with nullcontext() if conn_id is None else ChatwootApiHook(conn_id, account_id).get_conn() as api:
        yield from set_up_webhook(
            settings,
            sync_dsn(),
            base_url=conf.get("api", "base_url", fallback=None),
            api=api,
            given_secret=given_secret(name),
            box=airflow_box,
        )


def request_of(context: Mapping[str, Any]) -> RunRequest:
    """Return what a DAG run asks for, from its type and its form."""
    dag_run, params = context["dag_run"], context["params"]
    asks_for_window = params.get("window_start") or params.get("window_end")
    window = _window(params) if asks_for_window else None
    return RunRequest(
        kind=RunKind.SCHEDULED if _run_type(dag_run) == "scheduled" else RunKind.MANUAL,
        dag_run_id=dag_run.run_id,
        contact_ids=frozenset(map(int, re.findall(r"\d+", params.get("contact_ids") or ""))),
        window=window,
        full=bool(params.get("full")),
        dry_run=bool(params.get("dry_run")),
    )


def backfill_of(context: Mapping[str, Any]) -> RunRequest | None:
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
    return RunRequest(
        kind=RunKind.BACKFILL,
        dag_run_id=dag_run.run_id,
        window=window,
        dry_run=dry_run,
    )


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


def telling(work: Callable[[], Result]) -> Result:
    """Return what `work` returns; its failure is told in one line, and tried again only if that may help."""
    try:
        return work()
    except TRANSIENT as error:
        # Airflow shows a traceback; what a person needs is one line.
        log.error("%s. Nothing is lost; this is tried again.", str(error).rstrip("."))  # noqa: TRY400
        raise
    except (ReconciliationError, KrayinError, ChatwootError) as error:
        # Trying again would fail the same way: one clear message instead.
        log.error("%s", error)  # noqa: TRY400
        raise AirflowFailException(str(error)) from None


def _log_lines(lines: Iterator[str] | list[str]) -> None:
    for line in lines:
        log.info("%s", line)
