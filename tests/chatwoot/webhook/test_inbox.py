from __future__ import annotations

import asyncio
import hashlib
import uuid
from typing import TYPE_CHECKING

import psycopg
import pytest
from chatwoot.webhook import inbox as module
from chatwoot.webhook.inbox import Inbox, InboxEvent
from chatwoot.webhook.payload_ids import EntityRef
from reconciliation.migrations import upgrade

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@pytest.fixture(scope="module")
def template(new_database: Callable[..., str]) -> str:
    url = new_database("inbox")
    upgrade(url)
    return url


@pytest.fixture
def url(new_database: Callable[..., str], template: str) -> str:
    return new_database("inbox", template)


def an_event(number: int, *, sync: str = "shop", delivery: uuid.UUID | None = None) -> InboxEvent:
    body = f"body {number}".encode()
    refs = (EntityRef("contact", number), EntityRef("conversation", number + 1))
    return InboxEvent(sync, delivery, "contact_updated", refs, True, hashlib.sha256(body).digest(), body)


def stored(url: str, events: Sequence[InboxEvent]) -> list[bool]:
    """Store events at once and return what each was told."""

    async def scenario() -> list[bool]:
        inbox = Inbox(url)
        try:
            return await asyncio.gather(*(inbox.store(event) for event in events))
        finally:
            await inbox.close()

    return asyncio.run(scenario())


def rows(url: str) -> list[tuple[str, list[str], bytes]]:
    with psycopg.connect(url) as connection:
        return connection.execute(
            "SELECT sync_name, entities, body FROM krayin_sync.inbox_event ORDER BY entities[1]"
        ).fetchall()


def test_what_comes_together_is_committed_together(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    statements = []
    fetch = Inbox._fetch

    async def counted(self: Inbox, name: str, parameters: dict[str, list[bytes]]) -> object:
        statements.append(len(parameters["bodies"]))
        return await fetch(self, name, parameters)

    monkeypatch.setattr(Inbox, "_fetch", counted)
    monkeypatch.setattr(module, "LARGEST_BATCH", 300)
    events = [an_event(number) for number in range(1000)]
    assert stored(url, events) == [True] * 1000
    assert sum(statements) == 1000
    assert len(statements) == 4
    kept = {body: entities for _, entities, body in rows(url)}
    assert kept == {event.body: list(map(str, event.entities)) for event in events}


def test_repetitions_within_one_commit_are_told(url: str) -> None:
    delivery, another = uuid.uuid4(), uuid.uuid4()
    said = stored(
        url,
        [
            an_event(1, delivery=delivery),
            an_event(1, delivery=delivery),
            an_event(1, delivery=another),
            an_event(1, sync="other", delivery=delivery),
            an_event(3),
            an_event(3),
        ],
    )
    assert said == [True, False, False, True, True, False]
    assert sorted((sync, body) for sync, _, body in rows(url)) == [
        ("other", b"body 1"),
        ("shop", b"body 1"),
        ("shop", b"body 3"),
    ]


def test_large_bodies_are_spread_over_commits(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGEST_BATCH_BYTES", 20)
    assert stored(url, [an_event(number) for number in range(7)]) == [True] * 7
    assert len(rows(url)) == 7


def test_a_database_that_goes_away_for_a_moment_is_waited_for(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE", 60)
    name = url.rpartition("/")[2]

    async def scenario() -> list[bool]:
        inbox = Inbox(url)
        said = [await inbox.store(an_event(1))]
        with psycopg.connect(url.replace(name, "postgres"), autocommit=True) as server:
            server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
            server.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,)
            )
            waiting = [asyncio.create_task(inbox.store(an_event(number))) for number in (2, 3)]
            done, _ = await asyncio.wait(waiting, timeout=0.7)
            assert not done
            server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        said += [await task for task in waiting]
        await inbox.close()
        return said

    assert asyncio.run(scenario()) == [True] * 3
    assert len(rows(url)) == 3


def test_a_database_that_stays_away_is_an_error_for_all_who_wait_and_the_next_is_tried_anew(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.1)
    name = url.rpartition("/")[2]

    async def scenario() -> bool:
        inbox = Inbox(url)
        with psycopg.connect(url.replace(name, "postgres"), autocommit=True) as server:
            server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
            said = await asyncio.gather(
                *(inbox.store(an_event(number)) for number in (1, 2)), return_exceptions=True
            )
            assert [type(error) for error in said] == [psycopg.OperationalError] * 2
            server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        kept = await inbox.store(an_event(3))
        await inbox.close()
        return kept

    assert asyncio.run(scenario())
    assert len(rows(url)) == 1


def test_who_gave_up_is_not_kept(url: str) -> None:
    async def scenario() -> None:
        inbox = Inbox(url)
        task = asyncio.create_task(inbox.store(an_event(1)))
        await asyncio.sleep(0)
        task.cancel()
        assert await inbox.store(an_event(2))
        await inbox.close()

    asyncio.run(scenario())
    assert [body for _, _, body in rows(url)] == [b"body 2"]
