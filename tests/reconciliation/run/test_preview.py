"""Chosen contacts under the rules of a sync file, before anything is switched on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from reconciliation.admin.contact_erasure import erase
from reconciliation.run.preview import chosen, open_preview
from reconciliation.run.request import RunRequest
from reconciliation.run.summary import lines_of
from reconciliation.store.connection import connect
from reconciliation.store.run_rows import read_run

from tests.reconciliation.run.test_contact_scope import Chatwoot, chatwoot
from tests.reconciliation.world import EVERYTHING, World, api_world, on_each_krayin

if TYPE_CHECKING:
    from reconciliation.store.run_rows import Run

__all__ = ["chatwoot"]
RULES: dict[str, Any] = {
    **EVERYTHING,
    "tags": {"persons": True},
    "leads": {"create": "on_conversation"},
    "contacts": {"where": {"labels": {"any": ["vip"]}}},
    "templates": {"lead_title": "Deal with {{ name }}"},
    "enabled": False,
}
SECRETS = ("ada@example.com", "vip", "Deal with", "Good day")


def previewed(world: World, *contact_ids: int, **settings: Any) -> Run:
    preview = open_preview(world.sync(**settings), frozenset(contact_ids))
    preview.make()
    with connect(world.sync_url) as connection:
        return read_run(connection, preview.run_id)


def values(record: dict[str, Any], kind: str, what: str) -> dict[str, Any]:
    return {one["name"]: one[what] for one in record["fields"][kind]}


@on_each_krayin
def test_a_preview_has_what_is_then_brought_over(world: World, chatwoot: Chatwoot) -> None:
    ada = chatwoot.contact("ada", "vip")
    world.change(ada, additional_attributes={"company_name": "Acme"})
    chatwoot.talk(ada, "Good day")
    bob = chatwoot.contact("bob")
    before = len(world.persons())
    run = previewed(world, ada, bob, 999, **RULES)
    records = {one["contact"]: one for one in run.summary["records"]}
    assert [(records[one]["action"], records[one]["reason"]) for one in (bob, 999)] == [
        ("left_out", "contacts.where"),
        ("left_out", "it is not in Chatwoot"),
    ]
    assert (run.state, len(world.persons()), world.operations("planned")) == ("done", before, [])
    world.run(**{**RULES, "enabled": True})
    (person,), (lead,) = world.persons(), world.leads()
    becomes = values(records[ada], "person", "becomes")
    assert becomes["name"] == person["name"]
    assert becomes["emails"] == [one["value"] for one in person["emails"]]
    assert becomes["organization"] == person["organization"]["name"] == "Acme"
    wanted = values(records[ada], "lead", "becomes")
    assert (wanted["title"], wanted["description"]) == (lead["title"], lead["description"])
    assert {one["what"]: (one["name"], one["rule"]) for one in records[ada]["placed"]} == {
        "pipeline": ("Default Pipeline", "lead_pipeline_id: default"),
        "stage": ("Follow Up", "stage_on_conversation_created"),
        "source": ("Web", "lead_source_id: default"),
        "type": ("New Business", "lead_type_id: default"),
    }
    assert (lead["lead_pipeline_id"], lead["lead_pipeline_stage_id"], lead["lead_source_id"]) == (1, 2, 2)
    assert records[ada]["tags"] == {"person": ["vip"]}
    activities = world.api("GET", "activities?pagination=0")["data"]
    sent = {one["title"] for one in activities if one["type"] != "system"}
    assert {one["title"] for one in records[ada]["activities"]} == sent
    assert values(records[ada], "lead", "rule")["title"] == "templates.lead_title"
    assert records[ada]["rules"] == {
        "lead": "leads.create: on_conversation",
        "owner": "lead_owner",
    }


def test_values_that_krayin_keeps_are_shown_with_what_keeps_them(world: World) -> None:
    world.krayin.seed(attributes=[{"code": "loyalty", "type": "text", "entity_type": "persons"}])
    ada = world.add(name="Ada", email="ada@example.com", phone_number="+4930555")
    world.run()
    (person,) = world.persons()
    kept = {name: person[name] for name in ("emails", "contact_numbers")}
    world.api("PUT", f"contacts/persons/{person['id']}", {**kept, "name": "Countess", "user_id": 1})
    world.change(ada, name="Ada L.")
    (record,) = previewed(world, ada).summary["records"]
    name = next(one for one in record["fields"]["person"] if one["name"] == "name")
    assert name == {
        "name": "name",
        "chatwoot": "Ada L.",
        "krayin": "Countess",
        "becomes": "Countess",
        "rule": "on_crm_edit: keep",
    }
    assert values(record, "lead", "becomes")["title"] == "Ada L."
    fields = {"person": {"name": {"attribute": "nick", "policy": "fill_blank"}}}
    (record,) = previewed(world, ada, fields=fields).summary["records"]
    assert values(record, "person", "rule")["name"] == "fields.person.name.policy: fill_blank"
    world.change(ada, custom_attributes={"level": "gold"})
    (record,) = previewed(world, ada, fields={"person": {"loyalty": "level"}}).summary["records"]
    loyalty = next(one for one in record["fields"]["person"] if one["name"] == "custom.loyalty")
    assert (loyalty["becomes"], loyalty["rule"]) == ("gold", "fields.person.loyalty")


def test_the_log_of_a_dry_run_tells_fields_and_rules_and_no_values(world: World, chatwoot: Chatwoot) -> None:
    ada = chatwoot.contact("ada", "vip")
    chatwoot.talk(ada, "Good day")
    run = world.run(RunRequest(contact_ids=frozenset({ada, 999}), dry_run=True), **RULES)
    lines = "\n".join(lines_of(run))
    assert (
        f"  contact {ada:<11} create; person (name, emails); lead by leads.create: on_conversation (" in lines
    )
    assert "; owner nobody by lead_owner; 1 tag; 2 activities" in lines
    assert "  contact 999         left out: it is not in Chatwoot" in lines
    assert [one for one in SECRETS if one in lines] == []


def test_a_dry_run_counts_by_rule(world: World) -> None:
    world.add(name="Ada", email="ada@example.com")
    world.add(name="Bob", email="bob@example.com")
    run = world.run(RunRequest(full=True, dry_run=True), enabled=False, leads={"create": "never"})
    assert run.summary["decided"] == {"lead": {"leads.create: never": 2}, "owner": {"lead_owner": 2}}
    assert "  decided by          2 leads.create: never" in lines_of(run)


@pytest.mark.parametrize("way", ["database", "api"])
def test_contacts_are_chosen_by_id_address_or_as_the_newest(world: World, way: str) -> None:
    ids = [
        world.add(name=name, email=f"{name}@example.com", phone_number=f"+4930555{number}")
        for number, name in enumerate(("ada", "bob", "cid"))
    ]

    def found(world: World, text: str, newest: int = 0, **settings: Any) -> list[int]:
        return sorted(chosen(world.sync(**settings), text, newest))

    def check(world: World) -> None:
        assert found(world, f"{ids[0]}, Bob@Example.com") == ids[:2]
        assert found(world, "+49 30 5552\nnobody@example.com") == ids[2:]
        assert found(world, "030 5552", default_phone_region="DE") == ids[2:]
        assert found(world, "", 2) == ids[1:]

    if way == "database":
        check(world)
        return
    with api_world(world.chatwoot_url, world.sync_url, world.krayin) as through_api:
        check(through_api)


def test_an_erased_contact_stands_in_no_preview(world: World) -> None:
    ada = world.add(name="Ada", email="ada@example.com", phone_number="+4930555")
    bob = world.add(name="Bob", email="bob@example.com")
    world.run()
    preview = previewed(world, ada, bob)
    erase(world.sync(), ada, also_adopted=True)
    (kept,) = world.rows("SELECT summary -> 'records' FROM sync_run WHERE kind = 'preview'")
    assert len(preview.summary["records"]) == 2
    assert [one["contact"] for one in kept[0]] == [bob]
    assert "ada@example.com" not in str(kept)
