"""One story, played on every Krayin: the same end, read back table by table."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from reconciliation.errors import RunStoppedError
from reconciliation.model.timing import Timing
from reconciliation.run.request import RunRequest
from reconciliation.store.run_rows import RunKind

from sandbox.chatwoot import changes
from sandbox.chatwoot.sample import Sample, fill
from sandbox.chatwoot.schema import create_schema
from sandbox.krayin.testing import running_krayin
from tests.reconciliation.world import EVERYTHING, World
from tests.soak import SOAK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from krayin.client import KrayinClient
    from krayin.hook import KrayinHook
    from krayin.session import ApiCall
    from reconciliation.store.run_rows import Run

    from stack.postgres import Cluster

pytestmark = pytest.mark.timeout(3600 if SOAK else 300)

PEOPLE = 400 if SOAK else 40
IMPATIENT = Timing(patience=timedelta(0), down=timedelta(0), settle=timedelta(0))
KRAYINS = {
    "2.1 on MariaDB": {"version": "2.1", "database": "mariadb"},
    "2.1 on MySQL": {"version": "2.1", "database": "mysql"},
    "2.2 on MariaDB": {"version": "2.2", "database": "mariadb"},
    "2.2 on MySQL": {"version": "2.2", "database": "mysql"},
    "2.2 with rest-api's handler": {"version": "2.2", "handler": "rest-api"},
    "2.2 with APP_DEBUG": {"version": "2.2", "instance": "unlimited-debug"},
}


@pytest.fixture(scope="session")
def people_template(new_database: Callable[..., str]) -> str:
    """A Chatwoot in use: contacts with every kind of name, companies, conversations, messages."""
    url = new_database("people")
    with psycopg.connect(url, autocommit=True) as connection:
        create_schema(connection)
        fill(connection, Sample(contacts=PEOPLE, conversations=PEOPLE, messages=3 * PEOPLE, accounts=1))
    return url


@pytest.fixture
def play(
    new_database: Callable[..., str], people_template: str, sync_db_template: str, postgres: Cluster
) -> Callable[..., Any]:
    """Open worlds of the same people, each with a Krayin of its own."""

    @contextmanager
    def open_world(**options: Any) -> Iterator[World]:
        urls = new_database("chatwoot", people_template), new_database("sync", sync_db_template)
        with running_krayin(**options) as krayin:
            yield World(*urls, krayin, settings=dict(EVERYTHING))
        for url in urls:
            postgres.drop_database(str(conninfo_to_dict(url)["dbname"]))

    return open_world


def run(world: World, **request: Any) -> Run:
    """Run until nothing waits any more; return the last run."""
    sync = replace(world.sync(), timing=IMPATIENT)
    last = sync.run(RunRequest(**request))
    for _ in range(20):
        world.rows(
            "UPDATE operation SET next_attempt_at = clock_timestamp()"
            " WHERE state IN ('planned', 'unknown') AND next_attempt_at < 'infinity' RETURNING 1"
        )
        if not world.rows("SELECT 1 FROM operation WHERE state IN ('planned', 'unknown', 'in_flight')"):
            break
        last = sync.run(RunRequest())
    return last


def change_sixty(world: World) -> None:
    """Change contacts in Chatwoot: names, jobs, companies, a moved and two swapped phones, a cleared text."""
    with psycopg.connect(world.chatwoot_url, autocommit=True) as connection:
        ids = [
            row[0]
            for row in connection.execute(
                "SELECT id FROM contacts WHERE account_id = 1 AND email <> '' AND NOT blocked ORDER BY id LIMIT %s",
                (max(20, PEOPLE * 60 // 400),),
            )
        ]
        for place, contact_id in enumerate(ids[8:]):
            attributes = {"company_name": f"Company {place % 5}", "job_title": "" if place % 2 else "Chief"}
            changes.update_contact(
                connection, contact_id, name=f"Renamed {place}", additional_attributes=attributes
            )
        giver, taker, left, right, talkative = ids[:5]
        changes.update_contact(connection, giver, phone_number=None)
        changes.update_contact(connection, taker, phone_number="+4930900000")
        changes.update_contact(connection, left, phone_number=None)
        changes.update_contact(connection, right, phone_number="+4930900001")
        changes.update_contact(connection, left, phone_number="+4930900002")
        changes.update_contact(connection, talkative, additional_attributes={}, custom_attributes={})
        for (phone_only,) in connection.execute(
            "SELECT id FROM contacts WHERE account_id = 1 AND coalesce(email, '') = '' AND phone_number <> ''"
            " AND NOT blocked ORDER BY id LIMIT 2"
        ).fetchall():
            changes.update_contact(connection, phone_only, name=f"Renamed {phone_only}")


def before_the_changes(world: World) -> None:
    """What the changes move and clear must be there first, of persons who have nothing else to say."""
    with psycopg.connect(world.chatwoot_url, autocommit=True) as connection:
        ids = [
            row[0]
            for row in connection.execute(
                "SELECT id FROM contacts WHERE account_id = 1 AND email <> '' AND NOT blocked ORDER BY id LIMIT 5"
            )
        ]
        numbers = ["+4930900000", "+4930900009", "+4930900001", "+4930900002", "+4930900003"]
        for contact_id, number in zip(ids, numbers, strict=True):
            changes.update_contact(connection, contact_id, phone_number=number)
        changes.update_contact(
            connection, ids[4], additional_attributes={"description": "To go"}, custom_attributes={}
        )


def sell(world: World) -> None:
    """What salespeople do between two runs: an owner, a close date, a second number, another title."""
    for place, lead in enumerate(world.leads()[::7]):
        booleans = {"expected_close_date": "2031-05-05", "user_id": 1}
        world.api("PUT", f"leads/attributes/edit/{lead['id']}", booleans)
        if place % 2:
            world.api(
                "PUT",
                f"leads/attributes/edit/{lead['id']}",
                {"title": f"Typed {place}", "expected_close_date": "2031-05-05"},
            )
    for place, person in enumerate(world.persons()[::9]):
        numbers = [row for row in person["contact_numbers"] or [] if row["value"]]
        world.api(
            "PUT",
            f"contacts/persons/{person['id']}",
            {
                "emails": [*person["emails"], {"value": f"typed{place}@example.net", "label": "home"}]
                if person["emails"]
                else [{"value": f"typed{place}@example.net", "label": "home"}],
                "contact_numbers": [*numbers, {"value": f"+49111{place}", "label": "home"}],
                "user_id": 1,
            },
        )


def lose_every_kind_of_answer(world: World) -> None:
    """Of each creating route one answer is lost after Krayin wrote the record, and one before."""
    world.krayin.set_faults(
        *(
            {"kind": kind, "method": "POST", "route": route, "count": 1, "skip": skip}
            for route in ("/leads$", "/activities$", "/contacts/persons$", "/contacts/organizations$")
            for kind, skip in (("drop_after", 2), ("drop_before", 4), ("error_after", 6))
        )
    )


def present(world: World) -> dict[str, list[Any]]:
    """Krayin's tables without ids, and with one word for nothing."""

    def text(value: Any) -> str:
        return value or ""

    def values(rows: Any) -> list[str]:
        return [
            row["value"]
            for row in rows or []
            if row["value"] and not row["value"].startswith("no phone number")
        ]

    persons = [
        (
            row["name"],
            [one for one in values(row["emails"]) if not one.endswith(".invalid")],
            values(row["contact_numbers"]),
            text(row["job_title"]),
            text((row.get("organization") or {}).get("name")),
            (row.get("sales_owner") or {}).get("id"),
        )
        for row in world.persons()
    ]
    leads = [
        (
            row["title"],
            text(row["description"]),
            float(row["lead_value"] or 0),
            row["lead_pipeline_stage_id"],
            (row["person"] or {}).get("name"),
            (row["user"] or {}).get("id"),
            row["expected_close_date"],
        )
        for row in world.leads()
    ]
    organizations = [
        (row["name"], sorted((part, text(value)) for part, value in (row["address"] or {}).items()))
        for row in world.organizations()
    ]
    activities = [
        (
            row["title"],
            row["type"],
            row["comment"],
            row["is_done"],
            row["schedule_from"],
            row["schedule_to"],
            (row["additional"] or {}).get("chatwoot", "").partition(":")[2],
        )
        for row in world.api("GET", "activities?pagination=0&type=note,call,email")["data"]
    ]
    tables = {"persons": persons, "leads": leads, "organizations": organizations, "activities": activities}
    return {name: sorted(rows, key=repr) for name, rows in tables.items()}


def tell(world: World) -> tuple[dict[str, list[Any]], int]:
    """Play the story; return how Krayin looks at its end and how many calls it took."""
    before_the_changes(world)
    lose_every_kind_of_answer(world)
    run(world)
    world.krayin.clear_faults()
    again = run(world, full=True)
    assert [call for call in world.calls(again.id) if call[0] != "GET"] == []
    sell(world)
    change_sixty(world)
    run(world)
    calls = world.rows("SELECT count(*) FROM api_call")[0][0]
    quiet = run(world)
    assert world.calls(quiet.id) == [], "nothing changed, yet Krayin was called"
    return present(world), calls


@pytest.fixture(scope="module")
def told() -> dict[str, tuple[dict[str, list[Any]], int]]:
    """What each Krayin looked like at the end, so that the first is played once."""
    return {}


@pytest.mark.parametrize("name", list(KRAYINS))
def test_the_story_ends_alike_on_every_krayin(play: Any, told: dict[str, Any], name: str) -> None:
    first = next(iter(KRAYINS))
    for one in dict.fromkeys((first, name)):
        if one not in told:
            with play(**KRAYINS[one]) as world:
                told[one] = tell(world)
                assert not world.operations("rejected")
                mapped = world.rows("SELECT count(DISTINCT crm_id) FROM mapping WHERE crm_kind = 'person'")
                assert mapped[0][0] == len(world.persons()), "a person that belongs to no contact"
    (tables, calls), (expected, usual) = told[name], told[first]
    assert tables["persons"] == expected["persons"]
    assert tables["leads"] == expected["leads"]
    assert tables["organizations"] == expected["organizations"]
    assert tables["activities"] == expected["activities"]
    assert calls <= 1.2 * usual, f"{calls} calls, {usual} on {first}"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"version": "2.1"}, {"version": "2.2"}),
        ({"version": "2.1"}, {"database": "mysql"}),
        ({"version": "2.2"}, {"database": "mysql"}),
        ({"version": "2.1", "database": "mysql"}, {"version": "2.2"}),
        (
            {"version": "2.1", "instance": "limited", "requests_per_minute": 100_000},
            {"version": "2.2", "instance": "unlimited"},
        ),
    ],
)
def test_a_krayin_that_was_upgraded_or_moved_between_two_runs(
    play: Any, before: dict[str, Any], after: dict[str, Any]
) -> None:
    with play(**before) as world:
        before_the_changes(world)
        run(world)
        expected = present(world)
        world.krayin.configure(**after)
        quiet = run(world)
        assert world.calls(quiet.id) == []
        assert [one for one in world.calls(run(world, full=True).id) if one[0] != "GET"] == []
        assert present(world) == expected
        change_sixty(world)
        changed = run(world)
        statuses = {status for _, _, status in world.calls(changed.id)}
        # A list key that is refused is how the new version is recognised.
        assert statuses <= {200, 422}
        assert not world.operations("quarantined")
        assert world.calls(run(world).id) == []


def give_token(world: World, secret: str) -> None:
    """Let another token than before be the good one."""
    world.krayin.edit(personal_access_tokens=[{"id": 1, "token": secret}])


@pytest.mark.parametrize("handler", ["shipped", "rest-api"])
def test_a_token_revoked_in_the_middle_of_a_load_costs_no_record_anything(play: Any, handler: str) -> None:
    with play(version="2.2", handler=handler) as world:
        sync = world.sync()
        left = [PEOPLE // 2]

        def revoke(call: ApiCall) -> None:
            left[0] -= call.route == "leads"
            if left[0] == 0:
                give_token(world, "another")

        sync = replace(sync, krayin=Watched(sync.krayin, revoke), timing=IMPATIENT)
        with pytest.raises(RunStoppedError) as stopped:
            sync.run(RunRequest())
        assert "new one into the connection" in str(stopped.value)
        assert world.rows("SELECT 1 FROM operation WHERE attempts > 0") == []
        assert world.rows("SELECT 1 FROM operation WHERE state IN ('quarantined', 'rejected')") == []
        give_token(world, "sandbox")
        run(world)
        assert not world.rows("SELECT 1 FROM operation WHERE state NOT IN ('done', 'superseded')")
        mapped = world.rows("SELECT count(DISTINCT crm_id) FROM mapping WHERE crm_kind = 'person'")
        assert mapped[0][0] == len(world.persons())


@dataclass(frozen=True)
class Watched:
    """A Krayin whose calls somebody else is told of, too."""

    access: KrayinHook
    watch: Callable[[ApiCall], None]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.access, name)

    def client(self, limiter: Any, on_call: Callable[[ApiCall], None]) -> KrayinClient:
        def told(call: ApiCall) -> None:
            on_call(call)
            self.watch(call)

        return self.access.client(limiter, told)


def test_a_boolean_added_and_ticked_between_two_runs_keeps_its_ticks(play: Any) -> None:
    with play(version="2.2") as world:
        run(world)
        for entity in ("persons", "leads"):
            world.api(
                "POST",
                "settings/attributes",
                {"code": "vip", "name": "VIP", "type": "boolean", "entity_type": entity},
            )
        for person in world.persons():
            tick(world, "contacts/persons", person)
        for lead in world.leads():
            world.api(
                "PUT", f"leads/attributes/edit/{lead['id']}", {"vip": 1, "expected_close_date": "2031-05-05"}
            )
        change_sixty(world)
        changed = run(world)
        assert changed.kind is RunKind.MANUAL
        assert changed.summary["updated"]["person"] >= 10
        for entity, rows in (("persons", world.persons()), ("leads", world.leads())):
            assert {str(world.stored(entity, row["id"])["vip"]) for row in rows} == {"1"}


def tick(world: World, route: str, person: dict[str, Any]) -> None:
    """Tick the box of a person as Krayin's form does."""
    numbers = person["contact_numbers"] or [{"value": "", "label": "work"}]
    body = {"name": person["name"], "emails": person["emails"], "contact_numbers": numbers, "vip": 1}
    world.api("PUT", f"{route}/{person['id']}", {key: value for key, value in body.items() if value})
