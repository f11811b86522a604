"""Bad input gives one clear message, stops nothing else and loses nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from chatwoot.database.source import DatabaseSource
from chatwoot.errors import ChatwootUnreachable, UnknownAccount, UnknownInbox
from krayin.errors import AuthenticationFailed, ConfigurationError
from reconciliation.errors import RunStoppedError, SettingsDoNotFitKrayinError, SyncDatabaseError
from reconciliation.run.request import RunRequest
from reconciliation.run.sync_run import Sync
from reconciliation.store.connection import connect
from reconciliation.store.run_rows import RunState

from tests.reconciliation.world import on_each_krayin

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.reconciliation.world import World


def writes(world: World) -> list[Any]:
    return [call for call in world.krayin.calls() if call["method"] != "GET"]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"lead_pipeline_id": 7},
            "lead_pipeline_id: 7 does not exist in this Krayin; there is 1 (Default Pipeline)",
        ),
        ({"lead_pipeline_stage_id": 99}, "lead_pipeline_stage_id: 99 does not exist in pipeline 1"),
        ({"lead_source_id": 42}, "lead_source_id: 42 does not exist in this Krayin; there is 1 (Email)"),
        ({"lead_type_id": 42}, "lead_type_id: 42 does not exist"),
        ({"lead_owner": 42}, "lead_owner: 42 does not exist"),
        ({"custom_fields": {"person": {"plan": "plan"}}}, "Krayin has no custom person attribute 'plan'"),
    ],
)
def test_settings_that_do_not_fit_krayin_are_found_before_anything_is_sent(
    world: World, settings: Mapping[str, Any], said: str
) -> None:
    world.add(name="Ada", email="ada@example.com")
    with pytest.raises(SettingsDoNotFitKrayinError) as error:
        world.run(**settings)
    assert said in str(error.value)
    assert writes(world) == []
    assert world.rows("SELECT count(*) FROM operation") == [(0,)]
    assert world.run().summary["created"] == {"lead": 1, "person": 1}, "nothing was lost"


def test_a_wrong_token_is_named_and_nothing_moves(world: World) -> None:
    world.add(name="Ada", email="ada@example.com")
    right, world.krayin.token = world.krayin.token, "9|wrong"
    with pytest.raises(AuthenticationFailed) as error:
        world.run()
    assert "token" in str(error.value)
    assert "wrong" not in str(error.value)
    world.krayin.token = right
    assert world.run().summary["created"] == {"lead": 1, "person": 1}


def test_a_wrong_krayin_address_is_named(world: World) -> None:
    sync = world.sync()
    object.__setattr__(sync.krayin, "address", f"{world.krayin.url}/sandbox")
    with pytest.raises(ConfigurationError) as error:
        sync.run(RunRequest())
    assert world.krayin.url in str(error.value)


@on_each_krayin
def test_a_stage_that_is_deleted_while_new_leads_wait_for_it_is_named_and_costs_no_record_anything(
    world: World,
) -> None:
    """What Krayin is set up with is read once an hour; the POST that finds the stage missing makes nothing."""
    stages = [
        {"code": code, "name": code, "probability": 100, "sort_order": 1} for code in ("new", "won", "lost")
    ]
    pipeline = world.api("POST", "settings/pipelines", {"name": "Second", "rotten_days": 9, "stages": stages})
    settings = {"lead_pipeline_id": pipeline["data"]["id"]}
    world.run(**settings)
    world.api("DELETE", f"settings/pipelines/{settings['lead_pipeline_id']}")
    for number in range(3):
        world.add(name=f"Contact {number}", email=f"c{number}@example.com")

    with pytest.raises(RunStoppedError, match=r"the stage 7 of new leads was deleted in Krayin") as error:
        world.run(**settings)
    assert error.value.waiting == 3
    assert len([call for call in writes(world) if call["path"].endswith("/leads")]) == 1
    assert world.persons() == []
    with pytest.raises(SettingsDoNotFitKrayinError, match="lead_pipeline_id: 2 does not exist"):
        world.run(**settings)
    assert world.run().summary["created"] == {"lead": 3, "person": 3}


@pytest.mark.slow
def test_a_token_that_dies_in_the_middle_keeps_what_is_left_for_the_next_run(world: World) -> None:
    for number in range(6):
        world.add(name=f"Contact {number}", email=f"c{number}@example.com")
    # A token that worked before is tried once more after a whole window before it is given up.
    world.access_options = {"options": {"sleep": lambda _: None}}
    sync = world.sync()
    run_id = sync.plan(RunRequest())
    tokens = world.krayin.application.krayin.database["personal_access_tokens"].rows
    kept = dict(tokens)
    tokens.clear()
    with pytest.raises(RunStoppedError) as error:
        sync.load(run_id)
    assert "token" in str(error.value)
    assert "6 planned operation(s) are kept" in str(error.value)
    assert world.rows("SELECT state, count(*) FROM operation GROUP BY state") == [("planned", 6)]
    tokens.update(kept)
    assert world.run().summary["created"] == {"lead": 6, "person": 6}


def test_an_unreachable_chatwoot_database_is_named(world: World) -> None:
    sync = world.sync()
    broken = Sync(
        sync.settings,
        sync.sync_dsn,
        DatabaseSource("postgresql://x:secret@127.0.0.1:1/chatwoot"),
        sync.krayin,
    )
    with pytest.raises(ChatwootUnreachable) as error:
        broken.plan(RunRequest())
    assert "127.0.0.1:1" in str(error.value)
    assert "secret" not in str(error.value)


def test_an_unreachable_sync_database_is_named() -> None:
    with pytest.raises(SyncDatabaseError) as error:
        connect("postgresql://x:secret@127.0.0.1:1/krayin_sync", patience=0.1, sleep=lambda _: None)
    assert "127.0.0.1:1" in str(error.value)
    assert "secret" not in str(error.value)


def test_an_unknown_account_or_inbox_lists_what_there_is(world: World) -> None:
    with pytest.raises(UnknownAccount) as account:
        world.run(chatwoot={"account_id": 77})
    assert "77" in str(account.value)
    with pytest.raises(UnknownInbox):
        world.run(chatwoot={"account_id": 1, "inboxes": [424242]})


def test_contacts_with_absurd_rows_are_counted_and_the_others_still_sync(world: World) -> None:
    fine = world.add(name="Fine", email="fine@example.com")
    broken = world.add(name="Broken", email="broken@example.com")
    absurd = world.add(
        name="\u202e" + "x" * 400,
        email="absurd@example.com",
        custom_attributes={"lead_value": "1e999999", "job_title": ["a", {"b": 1}], "company_name": {"x": 1}},
    )
    with psycopg.connect(world.chatwoot_url, autocommit=True) as connection:
        connection.execute(
            "UPDATE contacts SET custom_attributes = '\"not an object\"', updated_at = now() WHERE id = %s",
            (broken,),
        )
    run = world.run()
    assert run.state is RunState.DONE
    assert run.summary["created"] == {"lead": 2, "person": 2}
    assert run.summary["skipped"]["unreadable"] == 1
    assert [row["contact"] for row in run.summary["broken"]] == [broken]
    assert {row["emails"][0]["value"] for row in world.persons()} == {
        "fine@example.com",
        "absurd@example.com",
    }
    (long_name,) = [row["name"] for row in world.persons() if row["emails"][0]["value"].startswith("absurd")]
    assert long_name.endswith("… [cut]")
    assert len(long_name) == 255
    assert (fine, absurd) is not None

    with psycopg.connect(world.chatwoot_url, autocommit=True) as connection:
        connection.execute("UPDATE contacts SET custom_attributes = '{}' WHERE id = %s", (broken,))
    assert world.run().summary["created"] == {"lead": 1, "person": 1}, (
        "a mended row is seen, updated_at or not"
    )


def test_a_contact_krayin_refuses_is_quarantined_with_its_reason_and_holds_nobody_up(world: World) -> None:
    refused = world.add(name="No address", email="not-an-address")
    world.add(name="Ada", email="ada@example.com")
    run = world.run()
    assert run.summary["created"] == {"lead": 1, "person": 1}
    ((kind, source, error_class, message),) = world.operations("quarantined")
    assert (kind, source, error_class) == ("contact", str(refused), "address_refused")
    assert "must be a valid email address" in message
    assert "not-an-address" not in message
    world.change(refused, email="address@example.com")
    assert world.run().summary["created"] == {"lead": 1, "person": 1}
    assert world.operations("quarantined") == []


@on_each_krayin
def test_an_address_that_krayin_refuses_keeps_nobody_out(world: World) -> None:
    """A Japanese carrier gave out addresses with dots in a row and at the end."""
    carrier = world.add(name="Hana", email="hana..sato.@docomo.ne.jp", phone_number="+819012345678")
    broken = world.add(name="Bo", email="bo@-bo-.jp", phone_number="+819012345679")
    run = world.run()
    assert run.summary["created"] == {"person": 2, "lead": 2}
    hana, bo = world.persons()
    assert [one["value"] for one in hana["emails"]] == ['"hana..sato."@docomo.ne.jp']
    assert (bo["name"], bo["contact_numbers"][0]["value"]) == ("Bo", "+819012345679")
    assert {text: run.summary["warning_examples"][text] for text in run.summary["warnings"]} == {
        "an e-mail that Krayin would refuse is sent in quotes": [carrier],
        "an e-mail that Krayin would refuse was left out": [broken],
    }
    assert world.calls(world.run(RunRequest(full=True)).id) == []
    world.change(carrier, name="Hana Sato")
    world.run()
    assert [row["name"] for row in world.persons()] == ["Hana Sato", "Bo"]
    world.compared(repairing=False)
    assert world.rows("SELECT class FROM finding") == []
    assert world.operations("quarantined") == []
