"""Alerts: each change told once by each channel, recovery included, through real HTTP and SMTP."""

from __future__ import annotations

import asyncio
import json
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from airflow.sdk.exceptions import AirflowException
from krayin.errors import KrayinError
from reconciliation.admin.alerts import (
    PAGES,
    Alert,
    Notice,
    channels_of,
    conditions_of,
    notify,
    report_ways,
    watch,
)
from reconciliation.airflow import admin_tasks
from reconciliation.errors import RunStoppedError
from reconciliation.settings.sync_settings import SyncSettings
from reconciliation.store.incidents import close_incidents, open_incident
from reconciliation.web.run_report import make_report

from sandbox.krayin.testing import running_krayin
from tests.reconciliation.ledger_rows import Ledger
from tests.reconciliation.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

QUIET = {
    "quarantined": 0, "unknown": 0, "seconds_behind": None, "held": 0, "run_id": 1, "run_state": "done",
    "reconciliation_id": None, "reconciliation_state": None, "token_refused": False,
    "late_reports": 0, "incidents": [],
}  # fmt: skip


def settings(**notify: Any) -> SyncSettings:
    return SyncSettings.model_validate({"name": "s", "chatwoot": {"account_id": 1}, "notify": notify})


def raised(settings: SyncSettings, **seen: Any) -> set[str]:
    return {one.name for one in conditions_of({**QUIET, **seen}, settings) if one.raised}


@pytest.mark.parametrize(
    ("seen", "condition"),
    [
        ({"quarantined": 21}, "quarantine"),
        ({"unknown": 1}, "unknown_outcomes"),
        ({"seconds_behind": 7201.0}, "behind"),
        ({"run_state": "failed"}, "run_failed"),
        ({"run_state": "stopped"}, "run_failed"),
        ({"reconciliation_state": "failed"}, "reconciliation_failed"),
        ({"token_refused": True}, "token_refused"),
        ({"held": 3}, "approval_waiting"),
        ({"late_reports": 1}, "report_not_written"),
        (
            {"incidents": [{"id": 1, "open": True, "sentence": "Chatwoot hides rows.", "why": None}]},
            "incident:1",
        ),
    ],
)
def test_each_condition_by_itself(seen: dict[str, Any], condition: str) -> None:
    assert raised(settings()) == set()
    assert raised(settings(), **seen) == {condition}


def test_thresholds_are_not_exceeded_by_reaching_them() -> None:
    assert raised(settings(), quarantined=20, seconds_behind=7200.0) == set()
    assert raised(settings(quarantined_over=0), quarantined=1) == {"quarantine"}


def test_a_sync_that_is_off_or_unscheduled_is_not_behind() -> None:
    for off in ({"enabled": False}, {"schedule": None}):
        still = SyncSettings.model_validate({"name": "s", "chatwoot": {"account_id": 1}, **off})
        assert raised(still, seconds_behind=1e9) == set()


BASE = "https://airflow.example.com"


class Board:
    """A channel that takes messages, unless it is told to fail."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, bool]] = []
        self.pages: list[str] = []
        self.reports: list[dict[str, Any]] = []
        self.fails = False

    def __call__(self, notice: Notice) -> None:
        if self.fails:
            msg = "no route"
            raise OSError(msg)
        if isinstance(notice, Alert):
            self.taken.append((notice.condition, notice.raised))
        else:
            self.reports.append(notice.to_json())
        self.pages.append(notice.page)


@pytest.fixture
def db(sync_db: psycopg.Connection) -> psycopg.Connection:
    sync_db.execute("SET search_path = krayin_sync")
    return sync_db


def end_run(db: psycopg.Connection, state: str) -> None:
    db.execute("INSERT INTO sync_run (sync_name, kind, state) VALUES ('s', 'scheduled', %s)", (state,))


def test_each_change_is_told_once_by_each_channel(db: psycopg.Connection) -> None:
    sync = settings(http_conn_id="h", email_to=["a@b.c"])
    http, mail = Board(), Board()

    def look() -> list[str]:
        watch(db, sync)
        return notify(db, sync, {"http": http, "mail": mail}, BASE)

    assert channels_of(sync.notify) == ("http", "mail")
    assert look() == []
    assert http.taken == [], "that all is well from the start is no news"
    end_run(db, "failed")
    mail.fails = True
    assert len(look()) == 1
    assert "no route" in look()[0]
    assert http.taken == [("run_failed", True)]
    mail.fails = False
    assert look() == []
    assert mail.taken == http.taken == [("run_failed", True)]
    end_run(db, "failed")
    look()
    assert len(http.taken) == 1, "the same state is no news"
    end_run(db, "done")
    look()
    look()
    assert mail.taken == http.taken == [("run_failed", True), ("run_failed", False)]
    end_run(db, "stopped")
    look()
    assert http.taken[2:] == [("run_failed", True)]


def test_what_ended_before_it_could_be_told_is_not_told(db: psycopg.Connection) -> None:
    sync = settings(http_conn_id="h")
    board = Board()
    board.fails = True
    end_run(db, "failed")
    watch(db, sync)
    notify(db, sync, {"http": board}, BASE)
    end_run(db, "done")
    board.fails = False
    watch(db, sync)
    assert notify(db, sync, {"http": board}, BASE) == []
    assert board.taken == []


def test_each_incident_is_told_and_so_is_its_end(db: psycopg.Connection) -> None:
    sync = settings(http_conn_id="h")
    board = Board()

    def look() -> list[tuple[str, bool]]:
        watch(db, sync)
        assert notify(db, sync, {"http": board}, BASE) == []
        seen, board.taken = board.taken, []
        return seen

    first = open_incident(db, kind="a", sentence="One.", facts={}, sync_name="s")
    assert look() == [(f"incident:{first}", True)]
    second = open_incident(db, kind="b", sentence="Another.", facts={}, sync_name="s")
    assert look() == [(f"incident:{second}", True)], "one that is open hides no other"
    assert look() == []
    close_incidents(db, incident_id=first, by="ada", why="all is well")
    assert look() == [(f"incident:{first}", False)]
    assert look() == []
    db.execute("DELETE FROM incident WHERE closed_at IS NOT NULL")
    close_incidents(db, incident_id=second, by="ada", why="all is well")
    assert look() == [(f"incident:{second}", False)]
    assert set(board.pages) == {f"{BASE}/krayin-sync/"}


def test_an_incident_of_several_syncs_is_told_once_at_each_place(
    db: psycopg.Connection, sync_db_url: str
) -> None:
    ledger = Ledger(sync_db_url, "s")
    db.execute(
        "INSERT INTO watermark (scope_id, sync_name, stream, position, settings_hash, run_id)"
        " SELECT %s, name, 'contacts', '{}', '', %s FROM unnest('{s,t,u}'::text[]) AS name",
        (ledger.scope, ledger.run()),
    )
    places = {"s": "h", "t": "h", "u": "another"}
    syncs = [settings(http_conn_id=place).model_copy(update={"name": name}) for name, place in places.items()]
    boards = {sync.name: Board() for sync in syncs}
    boards["s"].fails = True

    def look() -> dict[str, list[tuple[str, bool]]]:
        for sync in syncs:
            watch(db, sync)
        for sync in syncs:
            notify(db, sync, {"http": boards[sync.name]}, BASE, syncs)
        return {name: board.taken for name, board in boards.items()}

    incident = open_incident(db, kind="a", sentence="One.", facts={}, target_id=ledger.target)
    begun = f"incident:{incident}", True
    assert look() == {"s": [], "t": [begun], "u": [begun]}
    boards["s"].fails = False
    assert look() == {"s": [], "t": [begun], "u": [begun]}
    close_incidents(db, incident_id=incident, by="ada", why="all is well")
    over = begun[0], False
    for _ in range(2):
        assert look() == {"s": [over], "t": [begun], "u": [begun, over]}


def test_each_report_is_told_once_by_each_channel_with_its_numbers(
    db: psycopg.Connection, sync_db_url: str
) -> None:
    sync = settings(http_conn_id="h", email_to=["a@b.c"], reports=True)
    http, mail = Board(), Board()
    ledger = Ledger(sync_db_url, "s")
    run = ledger.run(kind="reconcile")
    compared = ledger.reconciliation(run, {"in_scope": 500, "in_sync": 498, "changed": 2})
    ledger.insert_raw("UPDATE reconciliation SET started_at = now() - interval '1 hour', finished_at = now()")
    ledger.finding(compared, "changed", contact_id=1, first_seen="yesterday")
    ledger.finding(compared, "changed", contact_id=2, first_seen=datetime.now(UTC) - timedelta(minutes=10))
    assert report_ways(sync) == ["http", "mail"]
    assert report_ways(settings(http_conn_id="h")) == []
    make_report(db, run, due=report_ways(sync))
    mail.fails = True
    (failed,) = notify(db, sync, {"http": http, "mail": mail}, BASE)
    assert "2 differences, 1 of them new by mail: OSError" in failed
    mail.fails = False
    for _ in range(2):
        assert notify(db, sync, {"http": http, "mail": mail}, BASE) == []
    assert http.reports == mail.reports
    (told,) = http.reports
    page = f"{BASE}/krayin-sync/reports/{run}/report.html"
    words = "[s] 498 of 500 contacts are in Krayin as they should be, 2 differences, 1 of them new"
    assert told == {
        "sync": "s", "report": page, "run": run, "in_scope": 500, "in_sync": 498, "differences": 2, "new": 1,
        "text": f"{words}: {page}",
    }  # fmt: skip


def test_every_condition_has_a_page() -> None:
    assert {one.name for one in conditions_of(QUIET, settings())} | {"incident"} == set(PAGES)


def test_conditions_are_read_from_the_ledger(db: psycopg.Connection) -> None:
    db.execute("INSERT INTO krayin_target (base_url) VALUES ('http://k')")
    db.execute("INSERT INTO chatwoot_installation (identity) VALUES ('c')")
    db.execute("INSERT INTO scope (target_id, installation_id, account_id) VALUES (1, 1, 1)")
    end_run(db, "done")
    db.execute("INSERT INTO approval (sync_name, state) VALUES ('s', 'asked')")
    for number, (state, sent) in enumerate(
        (("quarantined", None), ("unknown", "2 hours"), ("unknown", "1 minute"), ("held", None))
    ):
        db.execute(
            "INSERT INTO operation (run_id, sync_name, lane, target_id, scope_id, source_kind,"
            " source_id, payload, source_read_at, forecast_calls, state, sent_at, changes, approval_id)"
            " VALUES (1, 's', 1, 1, 1, 'contact', %s, '{}', now(), 1, %s, now() - %s::interval, '{person.name}',"
            " CASE WHEN %s = 'held' THEN 1 END)",
            (str(number), state, sent, state),
        )
    db.execute(
        "INSERT INTO operation (run_id, sync_name, lane, target_id, scope_id, source_kind, source_id, payload,"
        " source_read_at, forecast_calls, state, error_class)"
        " VALUES (1, 's', 1, 1, 1, 'contact', '99', '{}', now(), 1, 'quarantined', 'left_out')"
    )
    db.execute(
        "INSERT INTO watermark (sync_name, stream, scope_id, position, settings_hash, run_id,"
        " moved_at) VALUES ('s', 'contacts', 1, '{}', '', 1, now() - interval '3 hours')"
    )
    db.execute(
        "INSERT INTO api_call (at, target_id, run_id, method, route, status, milliseconds, outcome)"
        " VALUES (now(), 1, 1, 'GET', 'x', 401, 1, 'unauthorized')"
    )
    open_incident(db, kind="k", sentence="All of them.", facts={}, target_id=1)
    open_incident(db, kind="k", sentence="Another's.", facts={}, sync_name="t")
    now = {one.name: one for one in watch(db, settings(quarantined_over=0))}
    assert now["incident:1"].message == "Incident 1: All of them."
    assert {name for name, one in now.items() if one.raised} == {
        "quarantine", "unknown_outcomes", "behind", "token_refused", "approval_waiting", "incident:1",
    }  # fmt: skip
    assert now["unknown_outcomes"].message.startswith("1 calls")
    assert now["quarantine"].message.startswith("1 contacts"), "who was left out waits for nobody"
    assert "3 h ago" in now["behind"].message


@pytest.mark.parametrize("version", ["2.1", "2.2"])
@pytest.mark.parametrize("instance", ["unlimited", "unlimited-debug"])
def test_a_dead_token_is_told_whatever_status_krayin_gives_it(
    new_database: Callable[..., str], chatwoot_template: str, sync_db_url: str, instance: Any, version: Any
) -> None:
    """With APP_DEBUG=false, as servers should run, Krayin answers a dead token with 500 and not with 401."""
    with running_krayin(instance, version=version) as krayin:
        world = World(new_database("chatwoot", chatwoot_template), sync_db_url, krayin)
        world.access_options["options"] = {"sleep": lambda _: None}
        world.add(name="Ada", email="ada@example.com")
        world.run()
        world.add(name="Ben", email="ben@example.com")
        # Any log-in deletes the user's tokens.
        credentials = {"email": "admin@example.com", "password": "admin123", "device_name": "other"}
        good = world.api("POST", "login", credentials)["token"]
        # With the catalogue at hand it shows at the first call of the work; without it, at the very first.
        for catalogue_age in ("0", "2 hours"):
            with psycopg.connect(sync_db_url, autocommit=True) as connection:
                connection.execute("DELETE FROM krayin_sync.api_call")
                connection.execute(
                    "UPDATE krayin_sync.krayin_catalogue SET read_at = read_at - %s::interval",
                    (catalogue_age,),
                )
            with pytest.raises((KrayinError, RunStoppedError), match="token"):
                world.run()
            assert told(sync_db_url) == {"run_failed", "token_refused"}
        with psycopg.connect(sync_db_url, autocommit=True) as connection:
            # One of the refusals looked like the limiter's: nobody calls for a window.
            connection.execute("UPDATE krayin_sync.rate_budget SET blocked_until = clock_timestamp()")
        krayin.token = good
        world.run()
        assert told(sync_db_url) == set()


def told(sync_url: str) -> set[str]:
    sync = SyncSettings.model_validate({"name": "test", "chatwoot": {"account_id": 1}})
    with psycopg.connect(sync_url, autocommit=True) as connection:
        return {one.name for one in watch(connection, sync) if one.raised}


# --- through Airflow's notifiers -------------------------------------------------------------------


@contextmanager
def http_listener() -> Iterator[tuple[int, list[tuple[str, dict[str, Any]]]]]:
    taken: list[tuple[str, dict[str, Any]]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            taken.append((self.path, json.loads(body)))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Keep the test's output clean."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port, taken
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def smtp_listener() -> Iterator[tuple[int, list[bytes]]]:
    """As much of SMTP as a mail needs."""
    taken: list[bytes] = []
    loop = asyncio.new_event_loop()
    ready = threading.Event()
    ports: list[int] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 here\r\n")
        while line := await reader.readline():
            word = line.split()[0].upper() if line.split() else b""
            if word == b"EHLO":
                writer.write(b"250 here\r\n")
            elif word == b"DATA":
                writer.write(b"354 go on\r\n")
                taken.append(await reader.readuntil(b"\r\n.\r\n"))
                writer.write(b"250 taken\r\n")
            elif word == b"QUIT":
                writer.write(b"221 bye\r\n")
                break
            else:
                writer.write(b"250 fine\r\n")
        await writer.drain()
        writer.close()

    async def serve() -> None:
        server = await asyncio.start_server(talk, "127.0.0.1", 0)
        ports.append(server.sockets[0].getsockname()[1])
        ready.set()
        await stop.wait()
        server.close()

    stop = asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert ready.wait(10)
    try:
        yield ports[0], taken
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


def test_a_failure_and_its_end_arrive_by_http_and_mail(
    sync_db_url: str, db: psycopg.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "s.yaml").write_text(
        "name: s\nchatwoot: {account_id: 1}\n"
        "notify: {http_conn_id: hooks, endpoint: alerts/krayin, email_to: [ops@example.com], email_from: a@b.example}\n"
    )
    (tmp_path / "broken.yaml").write_text("name: broken\n")
    monkeypatch.setenv("KRAYIN_SYNC_SYNCS", str(tmp_path))
    monkeypatch.setenv("AIRFLOW_CONN_SYNC_DB", sync_db_url)
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example.com/prefix/")
    with http_listener() as (http_port, posted), smtp_listener() as (smtp_port, mailed):
        monkeypatch.setenv("AIRFLOW_CONN_HOOKS", f"http://127.0.0.1:{http_port}")
        monkeypatch.setenv(
            "AIRFLOW_CONN_SMTP_DEFAULT",
            json.dumps(
                {
                    "conn_type": "smtp",
                    "host": "127.0.0.1",
                    "port": smtp_port,
                    "extra": {"disable_ssl": True, "disable_tls": True},
                }
            ),
        )
        end_run(db, "failed")
        assert admin_tasks.watch_syncs({}) == {"s": ["run_failed"]}
        end_run(db, "done")
        assert admin_tasks.watch_syncs({}) == {"s": []}
        assert admin_tasks.watch_syncs({}) == {"s": []}
    assert [path for path, _ in posted] == ["/alerts/krayin"] * 2
    assert [(body["sync"], body["condition"], body["state"]) for _, body in posted] == [
        ("s", "run_failed", "raised"),
        ("s", "run_failed", "over"),
    ]
    mails = [message_from_bytes(mail, policy=policy.default) for mail in mailed]
    assert [mail["Subject"] for mail in mails] == ["[s] run failed", "[s] Over: run failed"]
    assert [mail["To"] for mail in mails] == ["ops@example.com"] * 2
    page = "https://airflow.example.com/prefix/krayin-sync/runs/s"
    assert [body["page"] for _, body in posted] == [page] * 2
    assert [f'href="{page}"' in mail.get_body().get_content() for mail in mails] == [True] * 2


def test_a_listener_that_is_down_fails_the_task_and_is_told_later(
    sync_db_url: str, db: psycopg.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "s.yaml").write_text("name: s\nchatwoot: {account_id: 1}\nnotify: {http_conn_id: hooks}\n")
    monkeypatch.setenv("KRAYIN_SYNC_SYNCS", str(tmp_path))
    monkeypatch.setenv("AIRFLOW_CONN_SYNC_DB", sync_db_url)
    monkeypatch.setenv("AIRFLOW_CONN_HOOKS", "http://127.0.0.1:9")
    end_run(db, "failed")
    with pytest.raises(AirflowException, match="run failed by http"):
        admin_tasks.watch_syncs({})
    with http_listener() as (port, posted):
        monkeypatch.setenv("AIRFLOW_CONN_HOOKS", f"http://127.0.0.1:{port}")
        assert admin_tasks.watch_syncs({}) == {"s": ["run_failed"]}
    assert len(posted) == 1
