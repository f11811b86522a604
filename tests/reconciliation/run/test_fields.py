"""Whose value counts in each type of field, read back: by each policy, from each source, in each Krayin."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from reconciliation.run.request import RunRequest

from tests.reconciliation.run.test_contact_scope import Chatwoot, chatwoot
from tests.reconciliation.world import World, api_world, on_each_krayin

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciliation.model.field_source import Policy

__all__ = ["chatwoot"]
OPTIONS = {"options": [{"name": name} for name in ("Gold", "Silver", "Bronze")]}
# Type: what Chatwoot says first and then, what Krayin holds of it each time, and what somebody types in Krayin.
# Of choices these are names, in the order of OPTIONS; Bo is a user.
TYPES: dict[str, tuple[Any, Any, Any, Any, Any]] = {
    "text": ("a", "b", "a", "b", "typed"),
    "textarea": ("a\nb", "c", "a\nb", "c", "typed\nhere"),
    "number": ("1.5", 20, "1.5", "20", "7"),
    "price": ("12.5", "13", 12.5, 13.0, 99.0),
    "date": ("2031-02-03T00:00:00Z", "2032-03-04", "2031-02-03", "2032-03-04", "2035-05-05"),
    "datetime": ("2031-02-03T12:30:00Z", "2032-03-04 08:00", "2031-02-03 12:30:00", "2032-03-04 08:00:00", "2035-05-05 05:05:05"),
    "boolean": (True, False, 1, 0, 0),
    "select": ("gold", "Silver", ["Gold"], ["Silver"], ["Bronze"]),
    "multiselect": (["Gold", "silver"], "Silver", ["Gold", "Silver"], ["Silver"], ["Bronze"]),
    "checkbox": ("Gold", "Silver, Gold", ["Gold"], ["Gold", "Silver"], ["Bronze"]),
    "lookup": ("bo@example.com", "Di", ["Bo"], ["Di"], ["Example"]),
}  # fmt: skip
SEVERAL = {"multiselect", "checkbox"}
NO_NUMBER = [{"value": "", "label": "work"}]
KINDS = {"person": "persons", "lead": "leads"}
# When somebody types in Krayin, in seconds from the change in Chatwoot that follows.
EARLIER, LATER, AT_ONCE = -3_600, 3_600, 0


@pytest.fixture(params=["database", "api"])
def shown(request: pytest.FixtureRequest, world: World) -> Iterator[World]:
    """The world, its Chatwoot read from its database or by its API."""
    with ExitStack() as stack:
        if request.param == "api":
            yield stack.enter_context(api_world(world.chatwoot_url, world.sync_url, world.krayin))
        else:
            yield world


class Fields:
    """An attribute of each type for persons and for leads, filled by an attribute of Chatwoot of the same name."""

    def __init__(self, world: World) -> None:
        self.world = world
        ids = world.krayin.seed(
            users=[
                {"name": name, "email": f"{name}@example.com".lower(), "password": "x"}
                for name in ("Bo", "Di")
            ]
        )["users"]
        self.ids: dict[tuple[str, str], dict[str, int]] = {}
        for kind, entity in KINDS.items():
            for code in TYPES:
                given = {"code": f"{kind}_{code}", "name": f"{kind} {code}", "entity_type": entity}
                more = {
                    "number": {"type": "text", "validation": "numeric"},
                    "lookup": {"type": "lookup", "lookup_type": "users"},
                }.get(code, {"type": code})
                made = world.api("POST", "settings/attributes", {**given, **more, **OPTIONS})
                self.ids[kind, code] = {one["name"]: one["id"] for one in made["data"]["options"]}
                if code == "lookup":
                    self.ids[kind, code] = {"Example": 1, "Bo": ids[0], "Di": ids[1]}

    def settings(self, policy: Policy) -> dict[str, Any]:
        fields = {
            kind: {f"{kind}_{code}": {"attribute": code, "policy": policy} for code in TYPES}
            for kind in KINDS
        }
        return {"fields": fields, "max_removals_without_approval": {"number": 1_000, "share": 1.0}}

    def type_in(self, crm_id: int, *, after: int = AT_ONCE) -> None:
        """Let a salesperson fill all fields of a contact's person and lead, so many seconds from now."""
        clock = self.world.krayin.application.krayin.clock
        clock.offset_seconds += after
        person = self.world.persons()[crm_id - 1]
        typed = {kind: {code: self.raw(kind, code, TYPES[code][4]) for code in TYPES} for kind in KINDS}
        body = {**{key: person[key] for key in ("name", "emails")}, "contact_numbers": NO_NUMBER}
        body |= {f"person_{code}": value for code, value in typed["person"].items()}
        self.world.api("PUT", f"contacts/persons/{crm_id}", body)
        body = {f"lead_{code}": value for code, value in typed["lead"].items()}
        self.world.api("PUT", f"leads/attributes/edit/{crm_id}", body)
        clock.offset_seconds -= after

    def raw(self, kind: str, code: str, value: Any) -> Any:
        """What is sent to Krayin for a value of TYPES."""
        if not isinstance(value, list):
            return value
        ids = [self.ids[kind, code][name] for name in value]
        return ids if code in SEVERAL else ids[0]

    def there(self, crm_id: int) -> dict[str, Any]:
        """What the person and the lead of a contact hold, in the form of TYPES; None for blank."""
        stored = {kind: self.world.stored(entity, crm_id) for kind, entity in KINDS.items()}
        return {
            f"{kind}_{code}": self._read(kind, code, stored[kind][f"{kind}_{code}"])
            for kind in KINDS
            for code in TYPES
        }

    def _read(self, kind: str, code: str, value: Any) -> Any:
        if code == "boolean":
            return value or 0
        if not value:
            return None
        names = {str(number): name for name, number in self.ids[kind, code].items()}
        return sorted(names[one] for one in str(value).split(",")) if names else value


def column(number: int) -> dict[str, Any]:
    return {code: one[number] for code, one in TYPES.items()}


def both(values: dict[str, Any]) -> dict[str, Any]:
    return {f"{kind}_{code}": value for kind in KINDS for code, value in values.items()}


FIRST, THEN, TYPED = (both(column(number)) for number in (2, 3, 4))
BLANK = both({**dict.fromkeys(TYPES), "boolean": 0})


def emptied(before: dict[str, Any]) -> dict[str, Any]:
    """What is left of fields when Chatwoot is emptied: a moment stays, for Krayin 2.1 knows no blank one."""
    return {**BLANK, **{name: value for name, value in before.items() if name.endswith("datetime")}}


def differences(world: World, **settings: Any) -> list[tuple[Any, ...]]:
    world.compared(repairing=False, **settings)
    return world.rows("SELECT source_id, crm_kind, field, side FROM finding WHERE ended_at IS NULL")


@on_each_krayin
@pytest.mark.parametrize("policy", ["chatwoot", "krayin", "fill_blank", "newest"])
def test_each_policy_in_each_type(shown: World, policy: Policy) -> None:
    fields = Fields(shown)
    settings = fields.settings(policy)
    quiet, edited, bare, own = (
        shown.add(name=name, email=f"{name}@example.com", custom_attributes=column(0) if filled else {})
        for name, filled in (("quiet", True), ("edited", True), ("bare", False), ("own", False))
    )
    shown.run(**settings)
    assert [one["name"] for one in shown.persons()] == [one["title"] for one in shown.leads()]
    assert [one["name"] for one in shown.persons()] == ["quiet", "edited", "bare", "own"]
    assert fields.there(1) == fields.there(2) == FIRST
    assert fields.there(3) == fields.there(4) == BLANK
    for one in (2, 4):
        fields.type_in(one, after=EARLIER)

    # Both sides changed; in Krayin it was before Chatwoot was seen as it was remembered.
    for contact in (quiet, edited, bare, own):
        shown.change(contact, custom_attributes=column(1))
    shown.run(**settings)
    overwrites = policy in {"chatwoot", "newest"}
    assert fields.there(1) == (FIRST if policy == "fill_blank" else THEN)
    assert fields.there(2) == (THEN if overwrites else TYPED)
    assert fields.there(3) == THEN
    # Of a moment, which cannot be emptied, a blank is not remembered: when it was filled is not known.
    moments = {f"{kind}_datetime" for kind in KINDS} if policy == "newest" else set()
    theirs = {name: TYPED[name] for name in moments}
    assert fields.there(4) == ({**THEN, **theirs} if overwrites else TYPED)
    assert {(name, side) for *_, name, side in differences(shown, **settings)} == {
        (f"custom.{name}", "theirs") for name in moments
    }
    told = len(moments)
    assert shown.calls(shown.run(RunRequest(full=True), **settings).id) == []

    # Chatwoot is emptied: what it filled goes, but where that is the policy it fills only.
    kept = fields.there(1), fields.there(2)
    for contact in (quiet, edited):
        shown.change(contact, custom_attributes={})
    shown.run(**settings)
    assert fields.there(1) == (FIRST if policy == "fill_blank" else emptied(kept[0]))
    assert fields.there(2) == (emptied(kept[1]) if overwrites else TYPED)
    assert len(differences(shown, **settings)) == told
    assert shown.calls(shown.run(RunRequest(full=True), **settings).id) == []


@on_each_krayin
@pytest.mark.parametrize(("after", "wins", "told"), [(LATER, TYPED, False), (AT_ONCE, TYPED, True)])
def test_the_later_edit_wins_and_one_that_cannot_be_told_is_kept_and_told(
    world: World, after: int, wins: dict[str, Any], *, told: bool
) -> None:
    fields = Fields(world)
    settings = fields.settings("newest")
    contact = world.add(name="ada", email="a@example.com", custom_attributes=column(0))
    world.run(**settings)
    fields.type_in(1, after=after)
    world.change(contact, custom_attributes=column(1))
    world.run(**settings)
    assert fields.there(1) == wins
    found = differences(world, **settings)
    # What is the same on both sides is no difference.
    differing = {code for code in TYPES if column(3)[code] != column(4)[code]} if told else set()
    assert {(kind, name.partition("_")[2], side) for _, kind, name, side in found} == {
        (kind, code, "theirs") for kind in KINDS for code in differing
    }
    # Later changes of other things decide nothing anew.
    world.change(contact, name="Ada L.")
    world.run(**settings)
    assert fields.there(1) == wins
    assert differences(world, **settings) == found
    assert world.calls(world.run(RunRequest(full=True), **settings).id) == []


@on_each_krayin
def test_krayins_own_fields_templates_and_fields_of_the_contact(world: World, chatwoot: Chatwoot) -> None:
    for code, kind in (("region", "text"), ("labels", "text"), ("since", "datetime"), ("number", "text")):
        world.krayin.seed(attributes=[{"code": code, "type": kind, "entity_type": "persons"}])
    settings = {
        "timezone": "Europe/Berlin",
        "fields": {
            "person": {
                "name": {"template": "{{ name }} ({{ attributes.plan|default('no plan') }})"},
                "job_title": {"attribute": "role", "policy": "fill_blank"},
                "region": {"template": "{{ city }} / {{ country }}"},
                "labels": {"field": "labels"},
                "since": {"field": "created_at"},
                "number": {"field": "id"},
            },
            "lead": {
                "lead_value": {"attribute": "budget", "policy": "chatwoot"},
                "title": {"policy": "chatwoot"},
            },
        },
        "max_removals_without_approval": {"number": 1_000, "share": 1.0},
    }
    contact = world.add(
        name="Ada",
        email="a@example.com",
        additional_attributes={"city": "Berlin", "country": "Germany"},
        custom_attributes={"role": "CEO", "plan": "gold", "budget": "12.5"},
        created_at=datetime(2026, 1, 31, 23, 30, tzinfo=UTC),
    )
    for label in ("vip", "gold"):
        chatwoot.label(contact, label)
    world.run(**settings)
    person, lead = world.stored("persons", 1), world.leads()[0]
    shown = [person[name] for name in ("name", "job_title", "region", "labels", "since", "number")]
    assert shown == [
        "Ada (gold)",
        "CEO",
        "Berlin / Germany",
        "gold, vip",
        "2026-02-01 00:30:00",
        str(contact),
    ]
    assert (lead["title"], float(lead["lead_value"])) == ("Ada (gold)", 12.5)
    world.api("PUT", "leads/attributes/edit/1", {"title": "Big deal", "lead_value": 7})
    changed = {"role": "CTO", "plan": "", "budget": "about 50"}
    world.change(contact, custom_attributes=changed)
    run = world.run(**settings)
    person, lead = world.stored("persons", 1), world.leads()[0]
    assert (person["name"], person["job_title"]) == ("Ada (no plan)", "CEO")
    # What is no number is left out and told; the rest comes over.
    assert (lead["title"], float(lead["lead_value"])) == ("Ada (no plan)", 7)
    assert run.summary["warning_examples"]["lead_value is not a number and was left out"] == [contact]
    assert differences(world, **settings) == []


@on_each_krayin
def test_options_are_made_if_asked_for_once_and_by_no_dry_run(world: World) -> None:
    for code, kind in (("level", "select"), ("tags", "multiselect")):
        world.api(
            "POST",
            "settings/attributes",
            {"code": code, "name": code.title(), "type": kind, "entity_type": "persons", **OPTIONS},
        )

    def options(code: str) -> list[str]:
        attributes = world.api("GET", "settings/attributes?limit=500")["data"]
        return [one["name"] for row in attributes if row["code"] == code for one in row["options"]]

    fields = {
        "level": {"attribute": "level", "options": ["gold", "Platinum", "platinum ", "Tin"]},
        "tags": {"attribute": "tags"},
    }
    settings = {"fields": {"person": fields}}
    chosen = {"level": "Platinum", "tags": ["Platinum"]}
    contact = world.add(name="Ada", email="a@example.com", custom_attributes=chosen)
    world.run(RunRequest(dry_run=True), **settings)
    assert options("level") == ["Gold", "Silver", "Bronze"]
    run = world.run(**settings)
    assert options("level") == ["Gold", "Silver", "Bronze", "Platinum", "Tin"]
    assert options("tags") == ["Gold", "Silver", "Bronze"]
    made = world.api("GET", "settings/attributes?code=level")["data"][0]
    assert (made["name"], made["type"], made["entity_type"]) == ("Level", "select", "persons")
    (number,) = (one["id"] for one in made["options"] if one["name"] == "Platinum")
    assert world.stored("persons", 1)["level"] == number
    assert run.summary["warnings"] == {"tags: is none of Krayin's options, left out": 1}
    world.change(contact, name="Ada L.")
    later = world.run(**settings)
    assert [
        route for method, route, _ in world.calls(later.id) if "settings" in route and method != "GET"
    ] == []


def test_what_krayins_rules_would_refuse_is_left_out_and_never_the_record(world: World) -> None:
    rules = {"size": "numeric", "share": "decimal", "mail": "email", "site": "url"}
    world.krayin.seed(
        attributes=[
            {"code": code, "type": "text", "entity_type": "persons", "validation": rule}
            for code, rule in rules.items()
        ]
        + [{"code": "must", "type": "text", "entity_type": "persons", "is_required": 1}]
    )
    settings = {"fields": {"person": {code: code for code in (*rules, "must")}}}
    good = {
        "size": "-5e3",
        "share": "0.5",
        "mail": "x@example.com",
        "site": "https://example.com/a",
        "must": "y",
    }
    contact = world.add(name="Ada", email="a@example.com", custom_attributes=good)
    wrong = {"size": "many", "share": -1, "mail": "x at example", "site": "example.com"}
    world.add(name="Bob", email="b@example.com", custom_attributes=wrong)
    run = world.run(**settings)
    assert {code: world.stored("persons", 1)[code] for code in good} == good
    assert {code: world.stored("persons", 2)[code] for code in good} == dict.fromkeys(good)
    assert run.summary["warnings"] == {
        "size: is not a number, left out": 1,
        "share: is negative or too large for a price, left out": 1,
        "mail: is not an e-mail, left out": 1,
        "site: is not a web address, left out": 1,
    }
    world.change(contact, custom_attributes={**wrong, "must": ""}, name="Ada L.")
    world.run(**settings)
    assert {code: world.stored("persons", 1)[code] for code in good} == good
    assert world.persons()[0]["name"] == "Ada L."
    assert world.operations("quarantined") == world.operations("rejected") == []


@on_each_krayin
def test_a_value_that_another_record_has_keeps_no_record_out(world: World) -> None:
    world.krayin.seed(
        attributes=[
            {"code": f"{kind}_{code}", "type": "text", "entity_type": many, "is_unique": int(code == "no")}
            for kind, many in KINDS.items()
            for code in ("no", "plan")
        ]
    )
    fields = {kind: {f"{kind}_{code}": code for code in ("no", "plan")} for kind in KINDS}
    settings: dict[str, Any] = {"fields": fields}
    same = {"no": "17", "plan": "gold"}
    ada, bob = (
        world.add(name=name, email=f"{name}@example.com", custom_attributes=same) for name in ("ada", "bob")
    )

    def there(crm_id: int) -> set[tuple[Any, Any]]:
        rows = ((kind, world.stored(many, crm_id)) for kind, many in KINDS.items())
        return {(row[f"{kind}_no"], row[f"{kind}_plan"]) for kind, row in rows}

    world.run(**settings)
    assert (there(1), there(2)) == ({("17", "gold")}, {(None, "gold")})
    assert len(world.leads()) == len(world.persons()) == 2
    world.change(bob, custom_attributes={"no": "18", "plan": "tin"})
    world.run(**settings)
    assert there(2) == {("18", "tin")}
    world.change(ada, custom_attributes={"no": "18", "plan": "lead"})
    world.run(**settings)
    # Krayin looks at what else has a value when a lead is made, not when one is changed.
    assert there(1) == {("17", "lead"), ("18", "lead")}
    assert world.operations("quarantined") == world.operations("rejected") == []
    # It is told as long as it differs.
    assert differences(world, **settings) == [(str(ada), "person", "custom.person_no", "ours")]
    # A lead made for a person who is there already.
    world.add(name="cid", email="c@example.com", custom_attributes={"no": "18"})
    world.run(**settings, leads={"create": "never"})
    world.run(RunRequest(full=True), **settings)
    assert [one["title"] for one in world.leads()] == ["ada", "bob", "cid"]
    assert there(3) == {(None, None)}
