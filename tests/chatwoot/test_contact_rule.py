"""Every part of the rule for contacts chooses the same ones in SQL, through the API and in checksums."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import psycopg
import pytest
from chatwoot.api.source import ApiSource
from chatwoot.database.source import DatabaseSource
from chatwoot.records import OutOfScope
from chatwoot.source import ByIds, Everything, SourceFilter
from chatwoot.streams import Stream
from reconciliation.settings.contact_where import ContactWhere

from sandbox.chatwoot.changes import add_contact, label_contact, link_inbox
from sandbox.chatwoot.conversations import add_conversation, add_message
from sandbox.chatwoot_api.testing import RunningChatwootApi, running_chatwoot_api

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from chatwoot.source import ChatwootSource, Selection

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)
OLD = datetime(2025, 1, 10, 8, tzinfo=UTC)
NEW = datetime(2026, 6, 1, 8, tzinfo=UTC)


@pytest.fixture(scope="module")
def filled(new_database: Callable[..., str], chatwoot_template: str) -> tuple[str, dict[str, int]]:
    """A Chatwoot with five contacts that differ in everything, by name; inboxes by name as well."""
    url = new_database("rules", f"dbname={chatwoot_template}")
    with psycopg.connect(url, autocommit=True) as chatwoot:
        web, mail = (
            chatwoot.execute(
                "SELECT id FROM inboxes WHERE account_id = 1 AND channel_type = %s ORDER BY id", (channel,)
            ).fetchone()[0]  # type: ignore[index]
            for channel in ("Channel::WebWidget", "Channel::Email")
        )
        who = {"web": web, "mail": mail}

        def add(name: str, created: datetime, custom: dict[str, Any], **columns: Any) -> None:
            email = f"{name}@{'Example.com' if name in {'ada', 'bo'} else 'example.org'}"
            times = {"created_at": created, "updated_at": created, "last_activity_at": created}
            who[name] = add_contact(
                chatwoot, 1, name=name, email=email, custom_attributes=custom, **{**times, **columns}
            )

        add("ada", OLD, {"plan": "gold", "seats": 12, "vip": True, "renews": "2026-06-14T22:00:00.000Z"},
            contact_type=2, last_activity_at=NEW)  # fmt: skip
        add("bo", NEW, {"plan": "silver", "seats": "3.50", "renews": "2026-06-14"}, contact_type=1)
        add("cy", OLD, {"plan": "", "seats": "many", "vip": False},
            additional_attributes={"plan": "gold", "city": "Köln"}, contact_type=1)  # fmt: skip
        add("di", NEW, {"plan": "Gold", "seats": -1, "renews": "soon"}, contact_type=1, last_activity_at=None)
        add("ed", OLD, {"seats": 3.5, "renews": "2026-06-15T01:00:00+02:00"}, contact_type=1)
        for name, inbox in (("ada", web), ("ada", mail), ("bo", mail), ("cy", web)):
            link_inbox(chatwoot, who[name], inbox, f"{name}-{inbox}")
        for name, label in (("ada", "vip"), ("ada", "sales"), ("bo", "vip"), ("cy", "spam")):
            label_contact(chatwoot, who[name], label, touch=False)
        for name, inbox, labels in (
            ("ada", web, "offer, later"),
            ("ada", mail, None),
            ("bo", mail, "offer"),
            ("ed", web, "spam"),
        ):
            talk = add_conversation(chatwoot, who[name], inbox, cached_label_list=labels, created_at=NEW)
            add_message(chatwoot, talk, "Hello", created_at=NEW)
    return url, who


@pytest.fixture(scope="module")
def api(filled: tuple[str, dict[str, int]]) -> Iterator[RunningChatwootApi]:
    with running_chatwoot_api(filled[0], requests_per_minute=1_000_000) as running:
        yield running


RULES: list[tuple[dict[str, Any], str]] = [
    ({"labels": {"any": ["vip", "nobody"]}}, "ada bo"),
    ({"labels": {"any": ["VIP"]}}, "ada bo"),
    ({"labels": {"all": ["vip", "sales"]}}, "ada"),
    ({"labels": {"none": ["vip", "spam"]}}, "di ed"),
    ({"labels": {"any": ["vip", "spam"], "none": ["sales"]}}, "bo cy"),
    ({"conversation_labels": {"any": ["offer"]}}, "ada bo"),
    ({"conversation_labels": {"all": ["offer", "later"]}}, "ada"),
    ({"conversation_labels": {"none": ["offer"]}}, "cy di ed"),
    ({"conversation_labels": {"none": ["offer"]}, "has_conversation": True}, "ed"),
    ({"has_conversation": True}, "ada bo ed"),
    ({"has_conversation": False}, "cy di"),
    ({"inboxes": {"any": ["web"]}}, "ada cy"),
    ({"inboxes": {"none": ["web"]}}, "bo di ed"),
    ({"inboxes": {"any": ["mail"], "none": ["web"]}}, "bo"),
    ({"channels": {"any": ["email"]}}, "ada bo"),
    ({"channels": {"none": ["email"]}}, "cy di ed"),
    ({"channels": {"any": ["web", "email"], "none": ["web"]}}, "bo"),
    ({"channels": {"any": ["line"]}}, ""),
    ({"email_domains": {"any": ["EXAMPLE.com"]}}, "ada bo"),
    ({"email_domains": {"none": ["example.com"]}}, "cy di ed"),
    ({"created_since": "90 days"}, "bo di"),
    ({"created_since": NEW.date()}, "bo di"),
    ({"active_since": "90 days"}, "ada bo"),
    ({"attributes": {"plan": {"present": True}}}, "ada bo cy di"),
    ({"attributes": {"plan": {"present": False}}}, "ed"),
    ({"attributes": {"plan": {"equals": "gold"}}}, "ada cy"),
    ({"attributes": {"plan": {"one_of": ["gold", "silver"]}}}, "ada bo cy"),
    ({"attributes": {"vip": {"equals": True}}}, "ada"),
    ({"attributes": {"vip": {"equals": "false"}}}, "cy"),
    ({"attributes": {"seats": {"equals": 3.5}}}, "bo ed"),
    ({"attributes": {"seats": {"one_of": [12, -1, "many"]}}}, "ada cy di"),
    ({"attributes": {"seats": {"at_least": 3.5}}}, "ada bo ed"),
    ({"attributes": {"seats": {"at_least": -1, "at_most": 3.5}}}, "bo di ed"),
    # Berlin's 15 June began at 22:00 UTC on the 14th.
    ({"attributes": {"renews": {"since": date(2026, 6, 15)}}}, "ada ed"),
    ({"attributes": {"renews": {"before": date(2026, 6, 15)}}}, "bo"),
    ({"attributes": {"renews": {"since": "1 day", "before": date(2026, 6, 16)}}}, "ada bo ed"),
    ({"attributes": {"city": {"equals": "Köln"}, "vip": {"present": True}}}, "cy"),
    ({"labels": {"any": ["vip"]}, "channels": {"any": ["web"]}, "has_conversation": True}, "ada"),
]  # fmt: skip


def rule_of(written: dict[str, Any], who: dict[str, int]) -> SourceFilter:
    """The scope of a rule as written in a sync file, with inboxes by name."""
    given = dict(written)
    if "inboxes" in given:
        given["inboxes"] = {how: [who[one] for one in names] for how, names in given["inboxes"].items()}
    return SourceFilter(1, None, ContactWhere.model_validate(given).rule(NOW, BERLIN))


def contacts_of(source: ChatwootSource, scope: SourceFilter, selection: Selection) -> dict[int, bool]:
    with source.snapshot() as snapshot:
        found = [one for chunk in snapshot.rows(Stream.CONTACTS, scope, selection) for one in chunk]
    return {one.key: not isinstance(one, OutOfScope) for one in found}


def shown(source: ChatwootSource, scope: SourceFilter, names: dict[int, str]) -> dict[str, set[str]]:
    """Whose records each stream gives, and of how many the checksums are."""
    found: dict[str, set[str]] = {}
    with source.snapshot() as snapshot:
        for stream in Stream:
            rows = [one for chunk in snapshot.rows(stream, scope, Everything()) for one in chunk]
            assert sum(one.rows for one in snapshot.checksums(stream, scope)) == len(rows)
            ids = {one.id if stream is Stream.CONTACTS else one.contact_id for one in rows}  # type: ignore[union-attr]
            found[stream] = {names[one] for one in ids if one is not None}
    return found


@pytest.mark.parametrize(("written", "expected"), RULES, ids=[str(written) for written, _ in RULES])
@pytest.mark.parametrize("way", ["database", "api", "api by lists"])
def test_a_rule_chooses_the_same_however_chatwoot_is_read(filled, api, written, expected, way, monkeypatch):
    url, who = filled
    if way == "api by lists":
        monkeypatch.setattr("chatwoot.api.contacts.MANY", 1)
    source: ChatwootSource = (
        DatabaseSource(url)
        if way == "database"
        else ApiSource(api.url, api.token, 1, requests_per_minute=1_000_000)
    )
    scope, meant = rule_of(written, who), set(expected.split())
    people = {name: who[name] for name in ("ada", "bo", "cy", "di", "ed")}

    found = shown(source, scope, {number: name for name, number in people.items()})
    assert found[Stream.CONTACTS] == meant
    talking = meant & {"ada", "bo", "ed"}
    assert [found[one] for one in (Stream.CONVERSATIONS, Stream.MESSAGES, Stream.PROGRESS)] == [talking] * 3

    # Whoever is asked for and left out is told to be.
    asked = contacts_of(source, scope, ByIds(frozenset(people.values())))
    assert asked == {number: name in meant for name, number in people.items()}


@pytest.mark.parametrize(
    ("types", "expected"), [(["customer"], {"ada"}), (["visitor", "lead"], {"bo", "cy", "di", "ed"})]
)
def test_the_database_shows_types(filled, types, expected):
    url, who = filled
    scope = rule_of({"types": types}, who)
    found = contacts_of(DatabaseSource(url), scope, Everything())
    assert set(found) == {who[name] for name in expected}
