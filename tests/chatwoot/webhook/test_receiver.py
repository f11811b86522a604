from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx
import psycopg
import pytest
from chatwoot.webhook import receiver
from chatwoot.webhook.inbox import Inbox
from chatwoot.webhook.receiver import LARGEST_BODY, WebhookEndpoint, create_app
from hypothesis import given, settings
from hypothesis import strategies as st
from reconciliation.migrations import upgrade

from sandbox.chatwoot import webhooks
from tests.ports import free_port

SECRET = "nT4wQx8Lk2VbZ7mR5cJ9hYpD"
SEEN = "SELECT sync_name, event, entities, signed, delivery_id::text, body FROM krayin_sync.inbox_event ORDER BY id"


@pytest.fixture(scope="module")
def template(new_database):
    url = new_database("inbox")
    upgrade(url)
    return url


@pytest.fixture
def url(new_database, template):
    return new_database("inbox", template)


@dataclass
class FakeDesk:
    url: str
    known: dict[str, WebhookEndpoint] = field(
        default_factory=lambda: {
            "shop": WebhookEndpoint(1),
            "old": WebhookEndpoint(1, allow_unsigned=True),
            "off": WebhookEndpoint(1, enabled=False),
        }
    )
    kept: list[str] = field(default_factory=lambda: [SECRET])
    renewed: list[str] | None = None
    opened: Inbox | None = None

    async def endpoint(self, sync_name):
        return self.known.get(sync_name)

    async def secrets(self, sync_name, *, fresh=False):
        return self.renewed if fresh and self.renewed is not None else self.kept

    async def inbox(self):
        if self.opened is None:
            self.opened = Inbox(self.url)
        return self.opened


def talk(desk, *requests, now=None):
    """Send requests, each (sync, body, headers), one after another; return the answers."""

    async def scenario():
        app = create_app(desk, **({"now": lambda: now} if now else {}))
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://airflow") as client:
            answers = [
                await client.post(f"/webhooks/{sync}", content=body, headers=headers)
                for sync, body, headers in requests
            ]
        if desk.opened is not None:
            await desk.opened.close()
            desk.opened = None
        return answers

    return asyncio.run(scenario())


def signed(payload, sync="shop", **options):
    body = webhooks.encode(payload)
    return sync, body, webhooks.headers(SECRET, body, **options)


def rows(url):
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(SEEN).fetchall()


def test_a_signed_event_is_committed_raw_before_the_answer(url):
    request = signed(webhooks.contact_updated(17, name="Zoë <b>"))
    (answer,) = talk(FakeDesk(url), request)
    assert (answer.status_code, answer.json()) == (200, {"status": "accepted"})
    delivery = request[2]["X-Chatwoot-Delivery"]
    assert rows(url) == [("shop", "contact_updated", ["contact:17"], True, delivery, request[1])]


def test_who_listens_is_told(url):
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("LISTEN krayin_sync_inbox")
        talk(FakeDesk(url), signed(webhooks.contact_created(17)))
        assert [notify.payload for notify in connection.notifies(timeout=5, stop_after=1)] == ["shop"]


EVERY_KIND = {
    "contact_created": webhooks.contact_created(17),
    "contact_updated": webhooks.contact_updated(17, name="New"),
    "conversation_created": {**webhooks.conversation(4, 17), "event": "conversation_created"},
    "conversation_updated": {**webhooks.conversation(4, 17), "event": "conversation_updated"},
    "conversation_status_changed": {
        **webhooks.conversation(4, 17, status="resolved"), "event": "conversation_status_changed",
        "changed_attributes": None,
    },
    "message_created": webhooks.message(90, 4, 17, "message_created"),
    "message_updated": webhooks.message(90, 4, 17, "message_updated", content_attributes={"deleted": True}),
}  # fmt: skip
NOT_NEEDED = {
    "conversation_typing_on": {"conversation": webhooks.conversation(4, 17), "is_private": False},
    "conversation_typing_off": {"conversation": webhooks.conversation(4, 17), "is_private": False},
    "webwidget_triggered": {"id": 7, "contact": webhooks.contact(17), "account": {"id": 1}},
    "inbox_created": {"id": 2, "name": "Mail", "account": {"id": 1}},
}


@pytest.mark.parametrize("event", EVERY_KIND)
def test_every_event_a_sync_needs_is_kept(url, event):
    (answer,) = talk(FakeDesk(url), signed(EVERY_KIND[event]))
    assert answer.json() == {"status": "accepted"}
    assert [row[1] for row in rows(url)] == [event]
    assert "contact:17" in rows(url)[0][2]


@pytest.mark.parametrize("event", NOT_NEEDED)
def test_every_other_event_is_answered_well_and_not_kept(url, event):
    (answer,) = talk(FakeDesk(url), signed({**NOT_NEEDED[event], "event": event}))
    assert (answer.status_code, answer.json()) == (200, {"status": "ignored"})
    assert rows(url) == []


def test_a_delivery_repeated_is_kept_once_even_after_it_was_processed(url):
    request = signed(webhooks.contact_created(17))
    assert [answer.json()["status"] for answer in talk(FakeDesk(url), request, request)] == [
        "accepted",
        "duplicate",
    ]
    process(url)
    assert [answer.json()["status"] for answer in talk(FakeDesk(url), request)] == ["duplicate"]
    assert len(rows(url)) == 1


def test_the_same_content_is_kept_again_once_a_run_has_taken_the_first(url):
    def send():
        (answer,) = talk(FakeDesk(url), signed(webhooks.contact_created(17)))
        return answer.json()["status"]

    assert [send(), send()] == ["accepted", "duplicate"]
    process(url)
    assert [send(), send()] == ["accepted", "duplicate"]


def process(url):
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("UPDATE krayin_sync.inbox_event SET claimed_at = now()")


def test_one_event_for_two_syncs_is_kept_for_both(url):
    desk = FakeDesk(url, {"shop": WebhookEndpoint(1), "other": WebhookEndpoint(1)})
    body = webhooks.encode(webhooks.contact_created(17))
    headers = webhooks.headers(SECRET, body)
    assert [a.json()["status"] for a in talk(desk, ("shop", body, headers), ("other", body, headers))] == [
        "accepted"
    ] * 2


DEEP = b'{"event":"contact_created","id":1,"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"


def bad(name):  # noqa: C901, PLR0911, PLR0912 - one for each
    good = webhooks.encode(webhooks.contact_created(17))
    match name:
        case "wrong secret":
            return 401, ("shop", good, webhooks.headers("another", good))
        case "unsigned":
            return 401, ("shop", good, webhooks.headers(None, good))
        case "old":
            return 401, ("shop", good, webhooks.headers(SECRET, good, at=time.time() - 3600))
        case "from the future":
            return 401, ("shop", good, webhooks.headers(SECRET, good, at=time.time() + 3600))
        case "body changed":
            return 401, ("shop", good.replace(b"17", b"18"), webhooks.headers(SECRET, good))
        case "signature of bytes":
            return 401, (
                "shop",
                good,
                {**webhooks.headers(SECRET, good), "X-Chatwoot-Signature": b"\xff\xfe"},
            )
        case "unknown sync":
            return 404, ("nowhere", good, webhooks.headers(SECRET, good))
        case "sync name with NUL":
            return 404, ("a%00b", good, webhooks.headers(SECRET, good))
        case "10 MB":
            huge = b"x" * 10 * LARGEST_BODY
            return 413, ("shop", huge, webhooks.headers(SECRET, huge))
        case "10 MB of unknown length":
            return 413, ("shop", chunks(10 * LARGEST_BODY), webhooks.headers(SECRET, b""))
        case "huge length":
            return 413, ("shop", good, {**webhooks.headers(SECRET, good), "Content-Length": "9" * 5000})
        case "deep":
            return 400, ("shop", DEEP, webhooks.headers(SECRET, DEEP))
        case "not UTF-8":
            body = good.replace(b"Person", b"Pers\xf6n")
            return 400, ("shop", body, webhooks.headers(SECRET, body))
        case "not JSON":
            return 400, ("shop", b"event=x", webhooks.headers(SECRET, b"event=x"))
        case "empty":
            return 400, ("shop", b"", webhooks.headers(SECRET, b""))
        case "another account":
            body = webhooks.encode(webhooks.contact_created(17, account_id=2))
            return 422, ("shop", body, webhooks.headers(SECRET, body))


async def chunks(size):
    for _ in range(size // 65536):
        yield b"x" * 65536


@pytest.mark.parametrize(
    "name",
    ["wrong secret", "unsigned", "old", "from the future", "body changed", "signature of bytes", "unknown sync",
     "sync name with NUL", "10 MB", "10 MB of unknown length", "huge length", "deep", "not UTF-8", "not JSON",
     "empty", "another account"],
)  # fmt: skip
def test_bad_input_has_its_status_keeps_nothing_and_tells_nothing(url, name, caplog):
    status, request = bad(name)
    with caplog.at_level(logging.DEBUG):
        (answer,) = talk(FakeDesk(url), request)
    assert answer.status_code == status
    assert "Traceback" not in answer.text + caplog.text
    assert SECRET not in answer.text + caplog.text
    assert "Person" not in answer.text + caplog.text
    assert rows(url) == []


@pytest.mark.parametrize(("ends", "status"), [("closed", None), ("waits", 408)])
def test_a_body_that_does_not_come_whole_is_no_fault_of_ours(ends, status, caplog, monkeypatch):
    """Whoever finds the address may send half a request: no stack trace, and no blame for the database."""
    monkeypatch.setattr(receiver, "BODY_PATIENCE", 0.05)
    sent = []
    ended = asyncio.Event()

    async def receive():
        if not ended.is_set():
            ended.set()
            return {"type": "http.request", "body": b"{", "more_body": True}
        if ends == "waits":
            await asyncio.sleep(60)
        return {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http", "method": "POST", "path": "/webhooks/shop", "headers": [], "query_string": b"",
        "root_path": "", "scheme": "http", "server": ("airflow", 80), "http_version": "1.1",
    }  # fmt: skip
    with caplog.at_level(logging.INFO):
        asyncio.run(create_app(FakeDesk("no database"))(scope, receive, send))
    assert status in {None, sent[0]["status"]}
    assert [record.levelname for record in caplog.records if record.name.startswith("chatwoot")] == [
        "WARNING"
    ]
    assert not any(record.exc_info for record in caplog.records)


def test_unsigned_events_are_taken_where_the_sync_says_so_wrongly_signed_ones_never(url):
    body = webhooks.encode(webhooks.contact_created(17))
    unsigned, wrong = webhooks.headers(None, body), webhooks.headers("another", body)
    answers = talk(FakeDesk(url), ("old", body, unsigned), ("old", body, wrong))
    assert [answer.status_code for answer in answers] == [200, 401]
    assert [row[3] for row in rows(url)] == [False]


def test_events_of_a_sync_that_is_off_are_left_alone(url):
    (answer,) = talk(FakeDesk(url), signed(webhooks.contact_created(17), "off"))
    assert answer.json() == {"status": "ignored"}
    assert rows(url) == []


def test_a_secret_entered_a_moment_ago_counts_at_once(url):
    desk = FakeDesk(url, kept=[], renewed=[SECRET])
    (answer,) = talk(desk, signed(webhooks.contact_created(17)))
    assert answer.json() == {"status": "accepted"}


def test_without_the_database_nothing_is_accepted():
    desk = FakeDesk(f"postgresql://nobody@127.0.0.1:{free_port()}/none")
    (answer,) = talk(desk, signed(webhooks.contact_created(17)))
    assert answer.status_code == 503
    assert "Retry-After" in answer.headers
    assert "Traceback" not in answer.text


def test_it_goes_on_after_postgresql_dropped_its_connections(url):
    async def scenario():
        desk = FakeDesk(url)
        transport = httpx.ASGITransport(create_app(desk))
        async with httpx.AsyncClient(transport=transport, base_url="http://airflow") as client:
            for number in (1, 2):
                sync, body, headers = signed(webhooks.contact_created(number))
                answer = await client.post(f"/webhooks/{sync}", content=body, headers=headers)
                assert answer.json() == {"status": "accepted"}
                with psycopg.connect(url, autocommit=True) as connection:
                    connection.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'krayin_sync_webhooks'"
                    )
        await desk.opened.close()

    asyncio.run(scenario())
    assert len(rows(url)) == 2


def test_many_at_once_are_all_kept(url):
    async def scenario():
        desk = FakeDesk(url)
        transport = httpx.ASGITransport(create_app(desk))
        async with httpx.AsyncClient(transport=transport, base_url="http://airflow") as client:

            async def send(number):
                sync, body, headers = signed(webhooks.contact_created(number))
                return await client.post(f"/webhooks/{sync}", content=body, headers=headers)

            answers = await asyncio.gather(*(send(number) for number in range(1, 201)))
        await desk.opened.close()
        return answers

    assert {answer.json()["status"] for answer in asyncio.run(scenario())} == {"accepted"}
    assert {row[2][0] for row in rows(url)} == {f"contact:{number}" for number in range(1, 201)}


def test_other_methods_and_paths_are_not_there(url):
    async def scenario():
        transport = httpx.ASGITransport(create_app(FakeDesk(url)))
        async with httpx.AsyncClient(transport=transport, base_url="http://airflow") as client:
            return [
                (await client.request(method, path)).status_code
                for method, path in (
                    ("GET", "/webhooks/shop"),
                    ("POST", "/webhooks/a/b"),
                    ("GET", "/docs"),
                    ("GET", "/openapi.json"),
                )
            ]

    assert asyncio.run(scenario()) == [405, 404, 404, 404]


class NothingKept(FakeDesk):
    async def inbox(self):
        return self

    async def store(self, event):
        return True


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["shop", "old", "off", "nowhere"]),
    st.binary(max_size=200) | st.sampled_from([webhooks.encode(payload) for payload in EVERY_KIND.values()]),
    st.dictionaries(
        st.sampled_from(
            ["X-Chatwoot-Signature", "X-Chatwoot-Timestamp", "X-Chatwoot-Delivery", "Content-Type"]
        ),
        st.binary(max_size=40).filter(lambda value: not set(value) & {0, 10, 13}),
    ),
    st.booleans(),
)
def test_whatever_comes_there_is_no_server_error(sync, body, headers, sign):
    now = datetime.now(UTC)
    if sign:
        headers = {**headers, **webhooks.headers(SECRET, body, at=now.timestamp())}
    (answer,) = talk(NothingKept(""), (sync, body, headers), now=now)
    assert answer.status_code in {200, 400, 401, 404, 413, 422}
