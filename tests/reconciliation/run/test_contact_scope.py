"""Only contacts that `contacts.where` means are brought over; who is not meant any more stays as he is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from chatwoot.source import Everything
from chatwoot.streams import Stream
from reconciliation.run.request import RunRequest
from reconciliation.store.run_rows import RunKind, read_run

from sandbox.chatwoot.changes import label_contact
from sandbox.chatwoot.conversations import add_conversation, add_message, change_conversation
from tests.reconciliation.world import EVERYTHING, World, api_world, on_each_krayin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from reconciliation.store.run_rows import Run

LABELLED = {"contacts": {"where": {"labels": {"any": ["vip"]}}}}
OFFERED = {"contacts": {"where": {"conversation_labels": {"any": ["offer"]}}}}


class Chatwoot:
    """Writes to a world's Chatwoot as its users do."""

    def __init__(self, world: World, connection: psycopg.Connection[Any]) -> None:
        self.world, self.connection = world, connection
        self.inbox = connection.execute("SELECT min(id) FROM inboxes WHERE account_id = 1").fetchone()[0]  # type: ignore[index]

    def contact(self, name: str, *labels: str) -> int:
        number = self.world.add(name=name, email=f"{name}@example.com", contact_type=1)
        for label in labels:
            self.label(number, label)
        return number

    def label(self, contact_id: int, label: str) -> None:
        label_contact(self.connection, contact_id, label)

    def unlabel(self, contact_id: int) -> None:
        self.connection.execute("DELETE FROM taggings WHERE taggable_id = %s", (contact_id,))
        self.world.change(contact_id)

    def talk(self, contact_id: int, said: str, **columns: Any) -> int:
        number = add_conversation(self.connection, contact_id, self.inbox, **columns)
        add_message(self.connection, number, said)
        return number


@pytest.fixture
def chatwoot(world: World) -> Iterator[Chatwoot]:
    with psycopg.connect(world.chatwoot_url, autocommit=True) as connection:
        yield Chatwoot(world, connection)


def names(world: World) -> list[str]:
    return [one["name"] for one in world.persons()]


def said(world: World) -> list[str]:
    rows = world.api("GET", "activities?pagination=0")["data"]
    return sorted(one["comment"].split("<br>")[-1] for one in rows if one["title"].startswith("Message"))


def compared(world: World, **settings: Any) -> Run:
    """Compare; nothing may differ."""
    number = world.compared(repairing=False, **settings)
    assert world.rows("SELECT class, source_id, field FROM open_findings") == []
    with psycopg.connect(world.sync_url, autocommit=True) as connection:
        connection.execute("SET search_path = krayin_sync")
        return read_run(connection, number)


@on_each_krayin
def test_who_is_not_meant_any_more_stays_and_who_is_meant_again_has_all_he_missed(
    world: World, chatwoot: Chatwoot
) -> None:
    settings = {**EVERYTHING, **LABELLED}
    ada, bo = chatwoot.contact("ada", "vip"), chatwoot.contact("bo")
    chatwoot.talk(ada, "one")
    chatwoot.talk(bo, "unheard")
    first = world.run(**settings)
    assert (names(world), said(world)) == (["ada"], ["one"])
    assert first.summary["out_of_scope"] == 0
    assert compared(world, **settings).summary["reconciliation"]["in_scope"] == 1

    # A label that comes brings everything that was said before.
    chatwoot.label(bo, "vip")
    world.run(**settings)
    assert (names(world), said(world)) == (["ada", "bo"], ["one", "unheard"])

    # One that goes leaves what is there, and nothing of it is touched from then on.
    chatwoot.unlabel(ada)
    chatwoot.talk(ada, "two")
    world.change(ada, name="Ada L.")
    left = world.run(**settings)
    assert left.summary["out_of_scope"] == 1
    assert world.calls(left.id) == []
    found = compared(world, **settings).summary["reconciliation"]
    assert (found["in_scope"], found["in_sync"], found["out_of_scope"]) == (1, 1, 1)
    assert (names(world), said(world)) == (["ada", "bo"], ["one", "unheard"])
    assert [one["status"] for one in world.leads()] == [1, 1]

    chatwoot.label(ada, "vip")
    back = world.run(**settings)
    assert back.summary["out_of_scope"] == 0
    assert (names(world), said(world)) == (["Ada L.", "bo"], ["one", "two", "unheard"])
    compared(world, **settings)
    assert world.calls(world.run(**settings).id) == []


@on_each_krayin
def test_a_conversation_that_is_labelled_makes_its_contact_meant(world: World, chatwoot: Chatwoot) -> None:
    ada = chatwoot.contact("ada")
    talk = chatwoot.talk(ada, "one")
    world.run(**EVERYTHING, **OFFERED)
    assert names(world) == []
    change_conversation(chatwoot.connection, talk, cached_label_list="later, offer")
    world.run(**EVERYTHING, **OFFERED)
    assert (names(world), said(world)) == (["ada"], ["one"])
    compared(world, **EVERYTHING, **OFFERED)


@pytest.mark.parametrize("share", [1.0, 1e-9], ids=["exact", "by index"])
def test_a_first_conversation_makes_its_contact_meant(world: World, chatwoot: Chatwoot, share: float) -> None:
    """Of a sync that brings contacts only, and whose looks go by index."""
    where = {"contacts": {"where": {"has_conversation": True}}}
    settings = {**where, "chatwoot": {"account_id": 1, "exact_look_share": share}}
    ada = chatwoot.contact("ada")
    chatwoot.contact("bo")
    world.run(**settings)
    chatwoot.talk(ada, "one")
    world.run(**settings)
    assert names(world) == ["ada"]
    assert compared(world, **settings).summary["reconciliation"]["in_scope"] == 1


def test_a_webhook_is_told_by_the_rule_too(world: World, chatwoot: Chatwoot) -> None:
    ada, bo = chatwoot.contact("ada", "vip"), chatwoot.contact("bo")
    request = RunRequest(kind=RunKind.EVENTS, contact_ids=frozenset({ada, bo}))
    world.run(request, **LABELLED)
    assert names(world) == ["ada"]
    chatwoot.unlabel(ada)
    world.change(ada, name="Ada L.")
    assert world.run(request, **LABELLED).summary["out_of_scope"] == 1
    assert names(world) == ["ada"]


@on_each_krayin
def test_a_rule_that_is_narrowed_and_widened_removes_nothing_and_doubles_nothing(
    world: World, chatwoot: Chatwoot
) -> None:
    """Of many contacts: that fewer are meant is no sign that Chatwoot hides any."""
    people = [chatwoot.contact(f"c{number}", *(["vip"] if number < 3 else [])) for number in range(40)]
    for number in people:
        chatwoot.talk(number, f"from {number}")
    settings = {**EVERYTHING, "on_source_delete": "delete"}
    world.run(**settings)
    compared(world, **settings)

    narrow = {**settings, **LABELLED}
    narrowed = world.run(**narrow)
    assert narrowed.summary["out_of_scope"] == 37
    assert world.calls(narrowed.id) == []
    chatwoot.talk(people[39], "meanwhile")
    world.change(people[39], name="Other")
    world.run(**narrow)
    found = compared(world, **narrow).summary["reconciliation"]
    assert (found["in_scope"], found["out_of_scope"]) == (3, 37)
    # A contact that is meant, and one that is not, are deleted all the same.
    assert world.incidents() == []

    widened = world.run(**settings)
    assert "out_of_scope" not in widened.summary
    assert (len(names(world)), len(world.leads())) == (40, 40)
    assert "Other" in names(world)
    assert "meanwhile" in said(world)
    compared(world, **settings)
    assert world.incidents() == []


def test_labels_that_go_from_many_are_no_sign_of_hidden_rows(world: World, chatwoot: Chatwoot) -> None:
    people = [chatwoot.contact(f"c{number}", "vip") for number in range(40)]
    settings = {**LABELLED, "on_source_delete": "delete"}
    world.run(**settings)
    compared(world, **settings)
    for number in people[5:]:
        chatwoot.unlabel(number)
    world.run(**settings)
    world.run(RunRequest(full=True), **settings)
    assert compared(world, **settings).summary["reconciliation"]["out_of_scope"] == 35
    assert (len(names(world)), world.incidents()) == (40, [])


@on_each_krayin
def test_the_api_brings_the_same(world: World, chatwoot: Chatwoot) -> None:
    where = {"contacts": {"where": {"labels": {"any": ["vip"]}, "channels": {"none": ["line"]}}}}
    settings = {**EVERYTHING, **where}
    ada, bo = chatwoot.contact("ada", "vip"), chatwoot.contact("bo")
    for number in (ada, bo):
        chatwoot.talk(number, f"of {number}")
    with api_world(world.chatwoot_url, world.sync_url, world.krayin) as api:
        api.run(**settings)
        assert (names(api), said(api)) == (["ada"], [f"of {ada}"])
        compared(api, **settings)
        assert api.calls(api.run(**settings).id) == []
        chatwoot.label(bo, "vip")
        chatwoot.unlabel(ada)
        for number in (ada, bo):
            chatwoot.talk(number, f"more of {number}")
            world.change(number, name=f"c{number}", last_activity_at="now")
        api.run(**settings)
        assert (names(api), said(api)) == (
            ["ada", f"c{bo}"],
            sorted([f"of {ada}", f"of {bo}", f"more of {bo}"]),
        )
        assert compared(api, **settings).summary["reconciliation"]["out_of_scope"] == 1


MANY = """
INSERT INTO contacts (id, account_id, name, email, contact_type, custom_attributes, created_at, updated_at)
SELECT n, 1, 'c' || n, 'c' || n || '@example.com', 1, jsonb_build_object('place', place), now(), now()
FROM generate_series(1, 10000) AS n, LATERAL (SELECT n * 7919 % 10000 AS place) AS spread;
INSERT INTO tags (id, name) VALUES (301, 'few'), (302, 'meant'), (303, 'many');
INSERT INTO taggings (tag_id, taggable_type, taggable_id, context, created_at)
SELECT sizes.tag, 'Contact', contacts.id, 'labels', now()
FROM contacts
JOIN (VALUES (301, 300), (302, 1200), (303, 4800)) AS sizes (tag, size)
    ON (custom_attributes ->> 'place')::int < sizes.size;
INSERT INTO conversations
    (id, account_id, inbox_id, contact_id, display_id, cached_label_list, created_at, updated_at, last_activity_at)
SELECT contacts.id, 1, (SELECT min(id) FROM inboxes WHERE account_id = 1), contacts.id, contacts.id,
       (SELECT string_agg(name, ', ') FROM taggings JOIN tags ON tags.id = tag_id WHERE taggable_id = contacts.id),
       now(), now(), now()
FROM contacts;
INSERT INTO messages
    (account_id, inbox_id, conversation_id, message_type, content, private, sender_type, sender_id, created_at, updated_at)
SELECT 1, inbox_id, id, 0, repeat('word ', 60), false, 'Contact', contact_id, now(), now()
FROM conversations CROSS JOIN generate_series(1, 2);
VACUUM ANALYZE;
"""
SIZES = {"few": 300, "meant": 1_200, "many": 4_800}
KINDS_OF_RULES: dict[str, Callable[[str], dict[str, Any]]] = {
    "labels": lambda name: {"labels": {"any": [name]}},
    "conversation_labels": lambda name: {"conversation_labels": {"any": [name]}},
    "attributes": lambda name: {"attributes": {"place": {"at_most": SIZES[name] - 1}}},
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS_OF_RULES)
def test_of_ten_thousand_contacts_what_is_read_and_called_follows_those_that_match(
    world: World, kind: str
) -> None:
    for statement in MANY.split(";\n"):
        world.chatwoot(statement)
    pages: dict[str, int] = {}
    for name in (None, *SIZES):
        where = {} if name is None else {"where": KINDS_OF_RULES[kind](name)}
        scope = world.sync(**EVERYTHING, contacts=where).scope
        before = pages_read(world)
        with world.source().snapshot() as snapshot:
            read = {
                stream: sum(len(chunk) for chunk in snapshot.rows(stream, scope, Everything()))
                for stream in Stream
            }
        size = 10_000 if name is None else SIZES[name]
        assert read == {one: size * (2 if one is Stream.MESSAGES else 1) for one in Stream}
        pages[name or "all"] = pages_read(world) - before
    # Four times as many contacts take at most four times the pages, and a small part is far from all.
    assert pages["many"] - pages["meant"] < 1.3 * 4 * (pages["meant"] - pages["few"])
    assert pages["meant"] < pages["all"] / 2

    calls = {
        name: world.run(
            RunRequest(dry_run=True), **EVERYTHING, contacts={"where": KINDS_OF_RULES[kind](name)}
        ).summary["forecast_calls"]
        for name in ("few", "meant")
    }
    assert calls["meant"] == pytest.approx(4 * calls["few"], rel=0.05)


def pages_read(world: World) -> int:
    """How many pages the sessions on Chatwoot's database have looked at that are over."""
    with psycopg.connect(world.chatwoot_url, autocommit=True) as connection:
        connection.execute("SELECT pg_stat_clear_snapshot()")
        row = connection.execute(
            "SELECT blks_hit + blks_read FROM pg_stat_database WHERE datname = current_database()"
        ).fetchone()
    assert row is not None
    return int(row[0])
