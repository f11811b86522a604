"""Who owns what is made: the user with the assignee's e-mail, of the team, of the inbox, in turn, or a fixed one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from reconciliation.model.owner import OwnerRules
from reconciliation.run.request import RunRequest
from reconciliation.run.setup import check_sync
from reconciliation.run.summary import lines_of

from sandbox.chatwoot.insertion import insert_row
from tests.reconciliation.run.test_contact_scope import Chatwoot, chatwoot, compared
from tests.reconciliation.samples import contact
from tests.reconciliation.world import EVERYTHING, World, api_world, on_each_krayin

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["chatwoot"]
TEAM = 41


@pytest.fixture
def people(world: World, chatwoot: Chatwoot) -> Mapping[str, int]:
    """Krayin's users and Chatwoot's agents, by name; two agents are users as well, one of whom is not active."""
    users = world.krayin.application.krayin.database["users"]
    found = {
        name: users.insert({**users.rows[1], "id": None, "name": name, "email": email, "status": active})[
            "id"
        ]
        for name, email, active in (
            ("Grace", "Grace@Example.com", 1),
            ("left", "left@example.com", 0),
            ("team", "team@krayin.test", 1),
            ("inbox", "inbox@krayin.test", 1),
        )
    }
    stamps = {"created_at": "now", "updated_at": "now"}
    for name in ("grace", "left", "nobody"):
        email = f"{name}@example.com"
        found[f"agent {name}"] = insert_row(
            chatwoot.connection,
            "users",
            {"name": name, "email": email, "uid": email, "pubsub_token": name, "availability": 0, **stamps},
        )
        insert_row(
            chatwoot.connection,
            "account_users",
            {"account_id": 1, "user_id": found[f"agent {name}"], "role": 0, **stamps},
        )
    chatwoot.connection.execute(
        "INSERT INTO teams (id, account_id, name, created_at, updated_at) VALUES (%s, 1, 'deals', now(), now())",
        (TEAM,),
    )
    return found


def owners(world: World) -> dict[str, set[int | None]]:
    """The owners of each person and its lead, by name."""
    found: dict[str, set[int | None]] = {}
    for entity, rows in (("persons", world.persons()), ("leads", world.leads())):
        for row in rows:
            stored = world.stored(entity, row["id"])
            found.setdefault(row.get("name") or row["title"], set()).add(stored["user_id"])
    return found


CASES: list[tuple[dict[str, Any], str | None]] = [
    ({"assignee_id": "agent grace"}, "Grace"),
    ({"assignee_id": "agent grace", "team_id": TEAM}, "Grace"),
    ({"assignee_id": "agent left", "team_id": TEAM}, "team"),
    ({"assignee_id": "agent nobody"}, "inbox"),
    ({"team_id": TEAM}, "team"),
    ({}, "inbox"),
]


def settings_of(people: Mapping[str, int], inbox: int, **more: Any) -> dict[str, Any]:
    owner = {"assignee": True, "teams": {TEAM: people["team"]}, "inboxes": {inbox: people["inbox"]}}
    return {**EVERYTHING, "owner": owner, "lead_owner": 1, **more}


@on_each_krayin
@pytest.mark.parametrize("way", ["database", "api"])
@pytest.mark.parametrize("create", ["always", "never"])
def test_each_rule_gives_its_owner_at_no_call_more(
    world: World, chatwoot: Chatwoot, people: Mapping[str, int], way: str, create: str
) -> None:
    settings = settings_of(people, chatwoot.inbox, leads={"create": create})
    expected = {}
    for number, (columns, owner) in enumerate(CASES):
        name = f"case {number}"
        contact = world.add(name=name, email=f"c{number}@example.com", contact_type=1)
        given = {key: people.get(value, value) for key, value in columns.items()}
        chatwoot.talk(contact, "earlier", assignee_id=people["agent left"], last_activity_at="2020-01-01")
        chatwoot.talk(contact, "hello", **given)
        expected[name] = {people[owner] if owner else 1}
    world.add(name="silent", email="silent@example.com", contact_type=1)
    expected["silent"] = {1}

    with api_world(world.chatwoot_url, world.sync_url, world.krayin) as api:
        used = api if way == "api" else world
        first = used.run(**settings)
        assert owners(world) == expected
        made = [route for method, route, _ in world.calls(first.id) if method == "POST"]
        assert made.count("leads") + made.count("contacts/persons") == len(expected)
        # Told once for each agent, not for each contact.
        told = [line for line in lines_of(first) if "no active Krayin user" in line]
        assert len(told) == 2
        assert not any("@" in line for line in told)
        compared(used, **settings)

        # What somebody else owns later stays so, and nothing is sent because an agent changed.
        chatwoot.connection.execute(
            "UPDATE conversations SET assignee_id = %s, updated_at = now()", (people["agent grace"],)
        )
        later = used.run(**{**settings, "sync_conversations": False})
        assert [method for method, *_ in world.calls(later.id) if method != "GET"] == []
        assert owners(world) == expected


@on_each_krayin
def test_a_lead_that_is_made_later_is_whose_conversation_it_is(
    world: World, chatwoot: Chatwoot, people: Mapping[str, int]
) -> None:
    settings = settings_of(people, chatwoot.inbox, leads={"create": "on_conversation"})
    ada = chatwoot.contact("ada")
    world.run(**settings)
    assert owners(world) == {"ada": {1}}
    chatwoot.talk(ada, "hello", assignee_id=people["agent grace"])
    world.run(**settings)
    assert owners(world) == {"ada": {1, people["Grace"]}}
    compared(world, **settings)


@on_each_krayin
@pytest.mark.parametrize("way", ["database", "api"])
def test_users_take_turns_and_a_contact_always_has_the_same(
    world: World, chatwoot: Chatwoot, people: Mapping[str, int], way: str
) -> None:
    turns = [people[one] for one in ("Grace", "team", "inbox")]
    settings = {**EVERYTHING, "owner": {"assignee": True, "round_robin": turns}, "lead_owner": 1}
    ids = {f"c{number}": chatwoot.contact(f"c{number}") for number in range(9)}
    chatwoot.talk(ids["c0"], "hello", assignee_id=people["agent grace"])
    expected = {name: {turns[number % 3]} for name, number in ids.items()} | {"c0": {people["Grace"]}}
    with api_world(world.chatwoot_url, world.sync_url, world.krayin) as api:
        used = api if way == "api" else world
        # Planned, changed, and planned once more before anything was sent.
        used.sync(**settings).plan(RunRequest())
        world.change(ids["c1"], custom_attributes={"seen": "twice"}, name="c1 again")
        run = used.run(**settings)
        expected["c1 again"] = expected.pop("c1")
        assert owners(world) == expected
        assert [route for method, route, _ in world.calls(run.id) if method == "POST"].count("leads") == 9
        compared(used, **settings)
        # Nobody's records change hands because somebody joins.
        later = used.run(RunRequest(full=True), **{**settings, "owner": {"round_robin": [*turns, 1]}})
        assert world.calls(later.id) == []


def test_who_is_missing_is_left_out_and_told_once(
    world: World, chatwoot: Chatwoot, people: Mapping[str, int]
) -> None:
    turns = [people["Grace"], 4711, people["left"], people["team"]]
    settings = {"owner": {"round_robin": turns}}
    ids = {f"c{number}": chatwoot.contact(f"c{number}") for number in range(12)}
    run = world.run(**settings)
    nearest = {0: "Grace", 1: "team", 2: "team", 3: "team"}
    assert owners(world) == {name: {people[nearest[number % 4]]} for name, number in ids.items()}
    told = [line for line in lines_of(run) if "in owner.round_robin is not there or not active" in line]
    assert len(told) == 2
    warned = [line for line in check_sync(world.sync(**settings)) if "owner.round_robin" in line]
    assert [line.split()[4] for line in warned] == ["4711", str(people["left"])]


def test_whoever_leaves_takes_no_turn_from_the_others() -> None:
    turns = (2, 5, 7, 9)
    whole = OwnerRules(in_turn=turns)
    for missing in ({2}, {9}, {5, 7}, {2, 5, 7}):
        fewer = OwnerRules(in_turn=turns, missing=frozenset(missing))
        for number in range(1, 40):
            before, rule, warnings = whole.choose(contact(id=number))
            after, *_ = fewer.choose(contact(id=number))
            assert (rule, warnings) == ("owner.round_robin", [])
            assert after == before or before in missing
            assert after not in missing
    nobody, rule, warnings = OwnerRules(in_turn=turns, missing=frozenset(turns)).choose(contact())
    assert (nobody, rule, len(warnings)) == (None, "lead_owner", 4)
