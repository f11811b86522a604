"""The stand-in for Chatwoot's API answers as Chatwoot does: shapes, pages, orders, filters, refusals."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import httpx
import psycopg
import pytest
from pydantic import TypeAdapter

from sandbox.chatwoot import changes, conversations
from sandbox.chatwoot.sample import Sample, fill
from sandbox.chatwoot.schema import create_schema
from sandbox.chatwoot_api.testing import running_chatwoot_api
from tests.contract import chatwoot_shapes as shapes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sandbox.chatwoot_api.testing import RunningChatwootApi

ACCOUNT = "/api/v1/accounts/1"


@pytest.fixture(scope="module")
def chatwoot_url(new_database: Callable[..., str]) -> str:
    url = new_database("chatwoot")
    with psycopg.connect(url, autocommit=True) as connection:
        create_schema(connection)
        fill(connection, Sample(contacts=70, conversations=60, messages=500))
        first = connection.execute(
            "SELECT id FROM messages WHERE account_id = 1 AND message_type = 0 LIMIT 1"
        ).fetchone()
        talk = connection.execute("SELECT id FROM conversations WHERE status = 1 LIMIT 1").fetchone()
        assert first is not None
        assert talk is not None
        conversations.add_attachment(connection, first[0], "a b.pdf", "application/pdf", 10)
        conversations.resolve(connection, talk[0], datetime(2026, 10, 2, tzinfo=UTC))
    return url


@pytest.fixture(scope="module")
def api(chatwoot_url: str) -> Iterator[RunningChatwootApi]:
    with running_chatwoot_api(chatwoot_url, requests_per_minute=100_000) as running:
        yield running


@pytest.fixture(scope="module")
def client(api: RunningChatwootApi) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=api.url, headers={"api_access_token": api.token}, timeout=60) as made:
        yield made


def get(client: httpx.Client, path: str, **query: Any) -> Any:
    answer = client.get(f"{ACCOUNT}{path}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def ids(rows: list[dict[str, Any]]) -> list[int]:
    return [row["id"] for row in rows]


def condition(key: str, operator: str, *values: Any) -> dict[str, Any]:
    return {"attribute_key": key, "filter_operator": operator, "values": list(values), "query_operator": None}


def test_every_answer_has_its_shape(client):
    pages = [
        shapes.Contacts.model_validate(get(client, "/contacts", page=page, sort="created_at"))
        for page in range(1, 6)
    ]
    contacts = [row.id for page in pages for row in page.payload]
    listed = [
        shapes.Conversations.model_validate(get(client, "/conversations", status="all", page=page))
        for page in range(1, 4)
    ]
    talks = [row.id for page in listed for row in page.data.payload]
    for contact in contacts[:20]:
        shapes.OneContact.model_validate(get(client, f"/contacts/{contact}"))
        shapes.Labels.model_validate(get(client, f"/contacts/{contact}/labels"))
        shapes.ConversationsOfContact.model_validate(get(client, f"/contacts/{contact}/conversations"))
    files, events = 0, 0
    for talk in talks:
        shapes.Conversation.model_validate(get(client, f"/conversations/{talk}"))
        said = shapes.Messages.model_validate(get(client, f"/conversations/{talk}/messages", after=0))
        files += sum(len(row.attachments) for row in said.payload)
        found = get(client, f"/conversations/{talk}/reporting_events")
        events += len(TypeAdapter(list[shapes.ReportingEvent]).validate_python(found))
    assert files > 0
    assert events == 1
    shapes.Inboxes.model_validate(get(client, "/inboxes"))
    shapes.Profile.model_validate(client.get("/api/v1/profile").json())
    shapes.Installation.model_validate(httpx.get(f"{client.base_url}/api").json())
    body = {"payload": [condition("status", "equal_to", "resolved")]}
    found = client.post(f"{ACCOUNT}/conversations/filter", json=body).json()
    shapes.FilteredConversations.model_validate(found)
    assert {row["status"] for row in found["payload"]} == {"resolved"}


def test_contacts_come_in_pages_of_fifteen_of_those_who_can_be_reached(client, chatwoot_url):
    with psycopg.connect(chatwoot_url) as connection:
        reachable = {
            row[0]
            for row in connection.execute(
                "SELECT id FROM contacts WHERE account_id = 1 "
                "AND coalesce(nullif(email, ''), phone_number, identifier) IS NOT NULL"
            )
        }
    pages = [get(client, "/contacts", page=page, sort="created_at") for page in range(1, 7)]
    seen = [number for page in pages for number in ids(page["payload"])]
    assert {page["meta"]["count"] for page in pages} == {len(reachable)}
    assert set(seen) == reachable
    assert [len(page["payload"]) for page in pages[:4]] == [15] * 4
    times = [row["created_at"] for page in pages for row in page["payload"]]
    assert times == sorted(times)
    back = get(client, "/contacts", sort="-created_at")["payload"]
    assert back[0]["created_at"] == times[-1]


def test_conversations_come_in_pages_of_twenty_five_or_at_once_by_change(client):
    first = get(client, "/conversations", status="all", sort_by="created_at_asc")["data"]
    assert len(first["payload"]) == 25
    assert first["meta"]["all_count"] == 60
    assert ids(get(client, "/conversations", status="all", page=4)["data"]["payload"]) == []
    changed = get(client, "/conversations", status="all", updated_within=10 * 365 * 86_400)["data"]
    assert len(changed["payload"]) == 60
    assert {row["status"] for row in get(client, "/conversations")["data"]["payload"]} == {"open"}
    one_inbox = first["payload"][0]["inbox_id"]
    some = get(client, "/conversations", status="all", inbox_id=one_inbox)["data"]["payload"]
    assert {row["inbox_id"] for row in some} == {one_inbox}


def test_messages_come_latest_before_after_or_between(client, chatwoot_url):
    with psycopg.connect(chatwoot_url, autocommit=True) as connection:
        contact = changes.add_contact(connection, 1, email="long@example.com")
        inbox = connection.execute("SELECT min(id) FROM inboxes WHERE account_id = 1").fetchone()
        assert inbox is not None
        talk = conversations.add_conversation(connection, contact, inbox[0])
        numbers = [
            conversations.add_message(connection, talk, f"{number}", private=number % 10 == 0)
            for number in range(130)
        ]
        shown = connection.execute("SELECT display_id FROM conversations WHERE id = %s", (talk,)).fetchone()
        assert shown is not None
    path = f"/conversations/{shown[0]}/messages"
    assert ids(get(client, path)["payload"]) == numbers[-20:]
    assert ids(get(client, path, before=numbers[50])["payload"]) == numbers[30:50]
    assert ids(get(client, path, after=numbers[5])["payload"]) == numbers[6:106]
    assert ids(get(client, path, after=numbers[5], before=numbers[9])["payload"]) == numbers[5:9]
    public = get(client, path, after=0, before=2**31, filter_internal_messages="true")["payload"]
    assert ids(public) == [one for position, one in enumerate(numbers) if position % 10]


def test_filters_compare_days_and_leave_the_given_one_out(client):
    rows = get(client, "/contacts", sort="created_at")["payload"]
    day = datetime.fromtimestamp(rows[7]["created_at"], UTC).date().isoformat()
    body = {"payload": [condition("created_at", "is_greater_than", day)]}
    found = client.post(f"{ACCOUNT}/contacts/filter", json=body, params={"sort": "created_at"}).json()
    first = min(datetime.fromtimestamp(row["created_at"], UTC).date().isoformat() for row in found["payload"])
    assert first > day
    refused = client.post(
        f"{ACCOUNT}/contacts/filter",
        json={"payload": [condition("updated_at", "is_greater_than", day)]},
    )
    assert refused.status_code == 422
    assert "updated_at" in refused.json()["error"]


def test_attributes_are_merged_and_a_save_without_a_change_is_none(client, chatwoot_url):
    with psycopg.connect(chatwoot_url, autocommit=True) as connection:
        one = changes.add_contact(connection, 1, email="merge@example.com", custom_attributes={"plan": "pro"})

        def put(**attributes: Any) -> tuple[Any, Any]:
            answer = client.put(f"{ACCOUNT}/contacts/{one}", json={"custom_attributes": attributes})
            shapes.OneContact.model_validate(answer.json())
            row = connection.execute(
                "SELECT custom_attributes, updated_at FROM contacts WHERE id = %s", (one,)
            ).fetchone()
            assert row is not None
            return row

        first, at = put(ids="1")
        again, still = put(ids="1")
        assert first == again == {"plan": "pro", "ids": "1"}
        assert at == still
        taken = client.put(f"{ACCOUNT}/contacts/{one}", json={"email": "olga.nowak@example.org"})
        assert taken.status_code == 422


def test_who_may_not_is_refused(api, client):
    assert httpx.get(f"{api.url}{ACCOUNT}/contacts").status_code == 401
    wrong = httpx.get(f"{api.url}{ACCOUNT}/contacts", headers={"api_access_token": "x"})
    assert (wrong.status_code, wrong.json()) == (401, {"error": "Invalid Access Token"})
    assert client.get("/api/v1/accounts/2/contacts").status_code == 401
    assert client.get("/api/v1/accounts/99/contacts").status_code == 404
    assert client.get(f"{ACCOUNT}/contacts/999999").status_code == 404
    assert client.get(f"{ACCOUNT}/contacts/{2**40}").status_code == 404
    assert client.get(f"{ACCOUNT}/conversations/999999/messages").status_code == 404
    assert client.get(f"{ACCOUNT}/contacts", params={"sort": "updated_at"}).status_code == 400
    assert client.get("/api/v1/nowhere").status_code == 404


def test_more_than_the_limit_a_minute_is_throttled(chatwoot_url):
    with running_chatwoot_api(chatwoot_url, requests_per_minute=3) as few:
        few.server.limiter._clock = lambda: 1_000_000.0
        answers = [httpx.get(f"{few.url}/api") for _ in range(5)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
        assert "Retry-After" not in answers[-1].headers
        few.server.limiter._clock = lambda: 1_000_060.0
        assert httpx.get(f"{few.url}/api").status_code == 200
