"""In which source, type and stage new leads are made by where their contacts write."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from reconciliation.run.request import RunRequest
from reconciliation.run.setup import check_sync
from reconciliation.run.summary import lines_of
from reconciliation.store.run_rows import RunKind

from tests.reconciliation.run.test_contact_scope import Chatwoot, chatwoot, compared
from tests.reconciliation.world import EVERYTHING, World, api_world, on_each_krayin

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["chatwoot"]
WHATSAPP = "Channel::Whatsapp"


def inbox_of(chatwoot: Chatwoot, channel: str) -> int:
    """An inbox of a channel, made from the world's own where there is none."""
    number = chatwoot.connection.execute(
        "INSERT INTO inboxes (channel_id, account_id, name, channel_type, created_at, updated_at)"
        " VALUES (991, 1, %s, %s, now(), now()) RETURNING id",
        (channel, channel),
    ).fetchone()
    assert number is not None
    return int(number[0])


def talk(chatwoot: Chatwoot, contact: int, inbox: int, **columns: Any) -> None:
    own, chatwoot.inbox = chatwoot.inbox, inbox
    chatwoot.talk(contact, "hello", **columns)
    chatwoot.inbox = own


def places(world: World) -> dict[str, tuple[str, str, int, int]]:
    """Source, type, pipeline and stage of each lead by title."""
    names = {
        kind: {one["id"]: one["name"] for one in world.api("GET", f"settings/{kind}?limit=100")["data"]}
        for kind in ("sources", "types")
    }
    return {
        one["title"]: (
            names["sources"][one["lead_source_id"]],
            names["types"][one["lead_type_id"]],
            one["lead_pipeline_id"],
            one["lead_pipeline_stage_id"],
        )
        for one in world.leads()
    }


def support(world: World) -> list[int]:
    """Add a second pipeline and return the ids of its stages."""
    stages = [
        {"code": code, "name": code, "sort_order": place, "probability": 100}
        for place, code in enumerate(("new", "won", "lost"))
    ]
    made = world.api(
        "POST",
        "settings/pipelines",
        {"name": "Support", "rotten_days": 30, "stages": {f"s{n}": one for n, one in enumerate(stages)}},
    )
    return [one["id"] for one in made["data"]["stages"]]


NAMES: list[tuple[dict[str, Any], Mapping[str, tuple[str, str]]]] = [
    (
        {"source": {"by_channel": {"email": "email", "whatsapp": "WhatsApp"}, "create_missing": True}},
        {"mail": ("Email", "New Business"), "app": ("WhatsApp", "New Business"), "both": ("WhatsApp", "New Business")},
    ),
    (
        {"source": {"by_channel": {"email": "Email", "whatsapp": "WhatsApp"}}},
        {"mail": ("Email", "New Business")},
    ),
    (
        {"source": {"by_inbox": {"email": "Phone"}, "by_channel": {"email": "Email", "whatsapp": "Direct"}}},
        {"mail": ("Phone", "New Business"), "app": ("Direct", "New Business"), "both": ("Direct", "New Business")},
    ),
    (
        {"type": {"by_channel": {"whatsapp": "Chat"}, "create_missing": True}},
        {"app": ("Web", "Chat"), "both": ("Web", "Chat")},
    ),
    ({"type": {"by_channel": {"email": "Existing Business"}}}, {"mail": ("Web", "Existing Business")}),
]  # fmt: skip


@on_each_krayin
@pytest.mark.parametrize("way", ["database", "api"])
@pytest.mark.parametrize(("rule", "expected"), NAMES, ids=[str(rule) for rule, _ in NAMES])
def test_sources_and_types_by_where_a_contact_writes(
    world: World, chatwoot: Chatwoot, way: str, rule: dict[str, Any], expected: Mapping[str, tuple[str, str]]
) -> None:
    mail, app = inbox_of(chatwoot, "Channel::Email"), inbox_of(chatwoot, WHATSAPP)
    ids = {"email": mail}
    leads = {
        kind: {**one, "by_inbox": {ids[key]: name for key, name in one.get("by_inbox", {}).items()}}
        for kind, one in rule.items()
    }
    settings = {**EVERYTHING, "leads": leads}
    for name, inboxes in {"mail": [mail], "app": [app], "both": [mail, app], "silent": []}.items():
        contact = chatwoot.contact(name)
        for place, inbox in enumerate(inboxes):
            talk(chatwoot, contact, inbox, last_activity_at=f"2026-01-0{place + 1}")
    with api_world(world.chatwoot_url, world.sync_url, world.krayin) as api:
        used = api if way == "api" else world
        first = used.run(**settings)
        found = {name: place[:2] for name, place in places(world).items()}
        assert found == {name: expected.get(name, ("Web", "New Business")) for name in found}
        assert len(found) == 4
        made = [route for method, route, _ in world.calls(first.id) if method == "POST"]
        missing = sum("WhatsApp" in one or "Chat" in one for one in set().union(*expected.values()))
        assert made.count("settings/sources") + made.count("settings/types") == missing
        assert made.count("leads") == 4
        # Told once, not for each contact.
        told = [line for line in lines_of(first) if "'WhatsApp' in Krayin" in line]
        assert len(told) == ("WhatsApp" in str(rule) and "create_missing" not in str(rule))
        compared(used, **settings)
        assert world.calls(used.run(**settings).id) == []

        # What is there by now is found by its name, and a salesperson's choice stays.
        lead = world.leads()[0]
        world.api("PUT", f"leads/attributes/edit/{lead['id']}", {"lead_source_id": 5})
        talk(chatwoot, chatwoot.contact("later"), app)
        later = used.run(**settings)
        assert places(world)["later"][:2] == expected.get("app", ("Web", "New Business"))
        assert not [route for method, route, _ in world.calls(later.id) if route.startswith("settings/s")]
        world.change(1, name="mail 2")
        used.run(**settings)
        assert world.leads()[0]["lead_source_id"] == 5
        compared(used, **settings)


@on_each_krayin
def test_a_source_that_somebody_made_meanwhile_is_taken(world: World, chatwoot: Chatwoot) -> None:
    rule = {"source": {"by_channel": {"whatsapp": "WhatsApp"}, "create_missing": True}}
    settings = {**EVERYTHING, "leads": rule}
    app = inbox_of(chatwoot, WHATSAPP)
    world.run(**settings)
    world.api("POST", "settings/sources", {"name": "whatsapp"})
    for name in ("ada", "bo"):
        talk(chatwoot, chatwoot.contact(name), app)
    run = world.run(**settings)
    assert {place[0] for place in places(world).values()} == {"whatsapp"}
    tried = [(method, status) for method, route, status in world.calls(run.id) if route == "settings/sources"]
    assert tried == [("POST", 422), ("GET", 200)]


def test_a_dry_run_shows_where_a_lead_would_go_and_makes_nothing(world: World, chatwoot: Chatwoot) -> None:
    rule = {"source": {"by_channel": {"whatsapp": "WhatsApp"}, "create_missing": True}}
    talk(chatwoot, chatwoot.contact("ada"), inbox_of(chatwoot, WHATSAPP))
    dry = world.run(RunRequest(dry_run=True), leads=rule)
    (sample,) = dry.summary["sample"]
    assert sample["changes"]["lead"]["source"] == [None, "WhatsApp"]
    assert "  decided by          1 leads.source.by_channel.whatsapp" in lines_of(dry)
    assert [method for method, *_ in world.calls(dry.id) if method != "GET"] == []


def test_a_preview_names_the_rules(world: World, chatwoot: Chatwoot) -> None:
    mail, app = inbox_of(chatwoot, "Channel::Email"), inbox_of(chatwoot, WHATSAPP)
    new, _, _ = support(world)
    rule = {
        "source": {"by_channel": {"whatsapp": "WhatsApp"}, "create_missing": True},
        "stage": {"by_inbox": {mail: new}},
    }
    found = {}
    for name, inbox in (("mail", mail), ("app", app)):
        contact = chatwoot.contact(name)
        talk(chatwoot, contact, inbox)
        request = RunRequest(RunKind.PREVIEW, contact_ids=frozenset({contact}), dry_run=True)
        (record,) = world.run(request, leads=rule).summary["records"]
        found[name] = {one["what"]: (one["name"], one["rule"]) for one in record["placed"]}
    by_inbox = f"leads.stage.by_inbox.{mail}"
    assert found["mail"]["pipeline"] == ("Support", by_inbox)
    assert found["mail"]["stage"] == ("new", by_inbox)
    assert found["mail"]["source"] == ("Web", "lead_source_id: default")
    assert found["app"]["pipeline"] == ("Default Pipeline", "lead_pipeline_id: default")
    assert found["app"]["source"] == ("WhatsApp", "leads.source.by_channel.whatsapp")
    assert found["app"]["type"] == ("New Business", "lead_type_id: default")


@on_each_krayin
@pytest.mark.parametrize("way", ["database", "api"])
def test_leads_begin_in_the_stage_of_their_inbox_and_move_on_from_there(
    world: World, chatwoot: Chatwoot, way: str
) -> None:
    mail, app = inbox_of(chatwoot, "Channel::Email"), inbox_of(chatwoot, WHATSAPP)
    new, _, _ = support(world)
    rule = {"stage": {"by_inbox": {mail: new}, "by_channel": {"whatsapp": 3}}}
    settings = {**EVERYTHING, "leads": rule}
    people = {name: chatwoot.contact(name) for name in ("mail", "app", "web", "hers")}
    talk(chatwoot, people["mail"], mail)
    talk(chatwoot, people["app"], app)
    talk(chatwoot, people["hers"], app)
    talk(chatwoot, people["web"], chatwoot.inbox)
    with api_world(world.chatwoot_url, world.sync_url, world.krayin) as api:
        used = api if way == "api" else world
        used.run(**settings)
        begun = {name: place[2:] for name, place in places(world).items()}
        # Who wrote by a channel further on does not fall back to what the first conversation qualifies for.
        assert begun == {"mail": (2, new), "app": (1, 3), "hers": (1, 3), "web": (1, 2)}
        compared(used, **settings)
        assert world.calls(used.run(**settings).id) == []
        # She moves one to where others begin: that is her own move.
        hers = next(one["id"] for one in world.leads() if one["title"] == "hers")
        world.api("PUT", f"leads/stage/edit/{hers}", {"lead_pipeline_stage_id": 2})
        chatwoot.connection.execute(
            "UPDATE conversations SET status = 1, updated_at = now(), last_activity_at = now()"
        )
        used.run(**settings)
        moved = {name: place[2:] for name, place in places(world).items()}
        assert moved == {"mail": (2, new), "app": (1, 4), "hers": (1, 2), "web": (1, 4)}
        used.compared(repairing=True, **settings)
        assert {name: place[2:] for name, place in places(world).items()} == moved


@on_each_krayin
def test_only_an_open_lead_of_that_pipeline_is_taken_over(world: World, chatwoot: Chatwoot) -> None:
    mail = inbox_of(chatwoot, "Channel::Email")
    new, _, _ = support(world)
    settings = {**EVERYTHING, "leads": {"stage": {"by_inbox": {mail: new}}}}
    for name, stage in (("ada", new), ("bo", 1)):
        person = {"name": name, "emails": [{"value": f"{name}@example.com", "label": "work"}]}
        world.api("POST", "leads", {"title": f"{name}'s", "lead_pipeline_stage_id": stage, "person": person})
        talk(chatwoot, chatwoot.contact(name), mail)
    dry = world.run(RunRequest(dry_run=True), **settings)
    run = world.run(**settings)
    assert [(one["title"], one["lead_pipeline_stage_id"]) for one in world.leads()] == [
        ("ada's", new), ("bo's", 1), ("bo", new),
    ]  # fmt: skip
    assert abs(dry.summary["forecast_calls"] - run.summary["calls"]) <= 2
    assert world.calls(world.run(**settings).id) == []


@on_each_krayin
def test_a_lead_that_a_comparison_makes_goes_where_it_belongs(world: World, chatwoot: Chatwoot) -> None:
    app = inbox_of(chatwoot, WHATSAPP)
    new, _, _ = support(world)
    rule = {
        "source": {"by_channel": {"whatsapp": "WhatsApp"}, "create_missing": True},
        "stage": {"by_inbox": {app: new}},
    }
    settings = {**EVERYTHING, "leads": rule}
    talk(chatwoot, chatwoot.contact("ada"), app)
    world.run(**{**EVERYTHING, "leads": {"create": "never"}})
    # Another deal of hers, in the pipeline of the sync, is neither ours nor one too many.
    (person,) = world.persons()
    links = {"lead_source_id": 1, "lead_type_id": 1, "person": {"id": person["id"]}}
    deal = {"title": "deal", "lead_pipeline_stage_id": 1, **links}
    world.api("POST", "leads", deal)
    world.compared(repairing=True, **settings)
    assert places(world)["ada"] == ("WhatsApp", "New Business", 2, new)
    compared(world, **settings)


@on_each_krayin
def test_a_lead_of_a_lost_answer_is_known_again_with_its_stage(world: World, chatwoot: Chatwoot) -> None:
    app = inbox_of(chatwoot, WHATSAPP)
    settings = {**EVERYTHING, "leads": {"stage": {"by_inbox": {app: 3}}}}
    talk(chatwoot, chatwoot.contact("ada"), app)
    run = world.sync(**settings).plan(RunRequest())
    (payload,) = world.rows("SELECT payload FROM operation WHERE source_kind = 'contact'")
    world.rows(
        "UPDATE operation SET step = 'create_contact', sent_at = clock_timestamp(), attempts = 1"
        " WHERE source_kind = 'contact' RETURNING id"
    )
    person = {"name": "ada", "emails": [{"value": "ada@example.com", "label": "work"}]}
    body = {"title": "ada", "description": payload[0]["lead"]["description"], "lead_pipeline_stage_id": 3}
    world.api("POST", "leads", {**body, "person": person})
    world.sync(**settings).load(run)
    assert world.rows(
        "SELECT origin, made_in_stage FROM mapping WHERE source_kind = 'contact' AND crm_kind = 'lead'"
    ) == [("created", 3)]
    assert len(world.leads()) == 1
    compared(world, **settings)


def test_setup_says_where_leads_go(world: World, chatwoot: Chatwoot) -> None:
    app = inbox_of(chatwoot, WHATSAPP)
    rule = {
        "source": {"by_channel": {"whatsapp": "WhatsApp", "email": "Email"}, "create_missing": True},
        "type": {"by_inbox": {app: "Chat"}},
        "stage": {"by_inbox": {app: 3, 4711: 2}},
    }
    found = list(check_sync(world.sync(leads=rule)))
    assert "New leads by source: whatsapp WhatsApp (made when it is needed), email Email (1)" in found
    assert f"New leads by type: inbox {app} Chat (not in Krayin: the default is used)" in found
    assert f"New leads by stage: inbox {app} Prospect (3), inbox 4711 Follow Up (2)" in found
    assert "Warning: leads.stage.by_inbox.4711: this account of Chatwoot has no such inbox" in found
