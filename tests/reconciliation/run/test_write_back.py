"""Ids of Krayin's records in a custom attribute of Chatwoot's contacts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from chatwoot.api.source import ApiSource
from chatwoot.source import ByIds, SourceFilter
from chatwoot.streams import Stream
from pydantic import ValidationError
from reconciliation.model import contact as mapping
from reconciliation.run.request import RunRequest
from reconciliation.run.summary import lines_of, numbers_of
from reconciliation.run.sync_run import Sync
from reconciliation.run.write_back import WriteBack
from reconciliation.settings.sync_settings import READ_ATTRIBUTES, SyncSettings
from reconciliation.store.run_rows import RunKind

from sandbox.chatwoot_api.errors import AnsweredError
from sandbox.chatwoot_api.testing import running_chatwoot_api

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.chatwoot_api.testing import RunningChatwootApi
    from tests.reconciliation.world import World

ATTRIBUTE = "krayin_ids"
SETTINGS = {"write_back_attribute": ATTRIBUTE, "webhook": {"api_conn_id": "chatwoot_api"}}


@pytest.fixture
def api(world: World) -> Iterator[RunningChatwootApi]:
    with running_chatwoot_api(world.chatwoot_url, requests_per_minute=1_000_000) as running:
        yield running


def syncing(world: World, api: RunningChatwootApi, **settings: Any) -> Sync:
    sync = world.sync(**SETTINGS, **settings)
    source = ApiSource(api.url, api.token, 1, requests_per_minute=1_000_000, sleep=lambda _: None)
    return Sync(sync.settings, sync.sync_dsn, sync.source, sync.krayin, write_back=source.session)


def attributes(world: World, contact_id: int) -> dict[str, Any]:
    with psycopg.connect(world.chatwoot_url) as connection:
        row = connection.execute(
            "SELECT custom_attributes FROM contacts WHERE id = %s", (contact_id,)
        ).fetchone()
    assert row is not None
    return dict(row[0])


def ids_of(world: World, contact_id: int) -> str:
    rows = world.rows(
        "SELECT crm_kind, crm_id FROM mapping WHERE source_kind = 'contact' AND source_id = %s",
        str(contact_id),
    )
    found = dict(rows)
    return f"krayin:person:{found['person']}|krayin:lead:{found['lead']}"


def writes(api: RunningChatwootApi) -> list[str]:
    return api.calls("PUT ")


def test_ids_are_written_beside_what_the_attributes_hold_and_only_once(world, api):
    one = world.add(email="a@example.com", custom_attributes={"plan": "pro", "since": 2024})
    two = world.add(email="b@example.com")
    skipped = world.add(name="Nobody")
    run = syncing(world, api).run(RunRequest())
    assert attributes(world, one) == {"plan": "pro", "since": 2024, ATTRIBUTE: ids_of(world, one)}
    assert attributes(world, two) == {ATTRIBUTE: ids_of(world, two)}
    assert ATTRIBUTE not in attributes(world, skipped)
    assert run.summary["write_back"] == numbers_of(run)["write_back"] == {"written": 2}
    assert "  ids to Chatwoot     2 written" in lines_of(run)
    assert len(writes(api)) == 2

    again = syncing(world, api).run(RunRequest())
    assert again.summary["write_back"] == {}
    assert len(writes(api)) == 2


def test_the_write_itself_changes_nothing_in_krayin(world, api):
    """Chatwoot tells of it by webhook and moves updated_at: whatever reads it anew finds no difference."""
    one = world.add(email="a@example.com")
    syncing(world, api).run(RunRequest())
    calls = len(world.krayin.calls())
    for request in (
        RunRequest(),
        RunRequest(kind=RunKind.EVENTS, contact_ids=frozenset({one})),
        RunRequest(full=True),
    ):
        run = syncing(world, api).run(request)
        assert run.summary["read"] == 1
        assert run.summary["unchanged"] == 1
        assert run.summary["planned"] == {}
        assert run.summary["writes"] == 0
        assert run.summary.get("write_back", {}) == {}
    assert not [call for call in world.krayin.calls()[calls:] if call["method"] != "GET"]
    assert len(writes(api)) == 1


def test_what_stands_there_already_is_not_written(world, api):
    one = world.add(email="a@example.com")
    world.run()
    world.change(one, custom_attributes={ATTRIBUTE: ids_of(world, one)})
    run = syncing(world, api).run(RunRequest())
    assert run.summary["write_back"] == {"equal": 1}
    assert writes(api) == []


def test_off_by_default_and_left_to_scheduled_runs(world, api):
    one = world.add(email="a@example.com")
    assert "write_back" not in world.run().summary
    run = syncing(world, api).run(RunRequest(kind=RunKind.EVENTS, contact_ids=frozenset({one})))
    assert "write_back" not in run.summary
    assert api.calls() == []


def test_a_contact_chatwoot_does_not_save_holds_up_no_other(world, api):
    one = world.add(email="a@example.com")
    two = world.add(email="b@example.com")
    world.run()

    def refuse(name: str) -> None:
        if name == f"PUT /api/v1/accounts/1/contacts/{one}":
            from sandbox.chatwoot_api.errors import UnprocessableError

            raise UnprocessableError

    with api.meanwhile(refuse):
        run = syncing(world, api).run(RunRequest())
    assert run.summary["write_back"] == {"refused": 1, "written": 1}
    assert attributes(world, two) == {ATTRIBUTE: ids_of(world, two)}
    assert world.rows("SELECT contact_id, value, error_message FROM write_back ORDER BY 1") == [
        (one, None, "refused (422)"),
        (two, ids_of(world, two), None),
    ]
    assert syncing(world, api).run(RunRequest()).summary["write_back"] == {}


def test_a_contact_that_is_gone_is_not_asked_for_again(world, api):
    one = world.add(email="a@example.com")
    world.run()
    with psycopg.connect(world.chatwoot_url, autocommit=True) as connection:
        connection.execute("DELETE FROM contacts WHERE id = %s", (one,))
    assert syncing(world, api).run(RunRequest()).summary["write_back"] == {"gone": 1}
    assert syncing(world, api).run(RunRequest()).summary["write_back"] == {}


def test_an_interrupted_write_back_goes_on_where_it_was(world, api, caplog):
    ids = [world.add(email=f"c{number}@example.com") for number in range(12)]
    world.run()

    def fail(name: str) -> None:
        if name.startswith("PUT ") and len(writes(api)) > 5:
            raise AnsweredError(502, {})

    source = ApiSource(api.url, api.token, 1, requests_per_minute=1_000_000, sleep=lambda _: None)
    target = world.rows("SELECT id FROM krayin_target")[0][0]
    with psycopg.connect(world.sync_url, autocommit=True) as connection, source.session() as session:
        with api.meanwhile(fail):
            counts = WriteBack(connection, session, "test", target, ATTRIBUTE).run()
        assert counts == {"written": 5, "left": 7}
        assert "are not written back" in caplog.text
        assert api.token not in caplog.text
        assert WriteBack(connection, session, "test", target, ATTRIBUTE, most=3).run() == {
            "written": 3,
            "left": 4,
        }
        assert WriteBack(connection, session, "test", target, ATTRIBUTE).run() == {"written": 4}
        assert WriteBack(connection, session, "test", target, ATTRIBUTE).run() == {}
    assert all(attributes(world, one) == {ATTRIBUTE: ids_of(world, one)} for one in ids)


def test_a_contact_at_which_chatwoot_always_fails_holds_up_no_other(world, api):
    ids = [world.add(email=f"c{number}@example.com") for number in range(3)]
    world.run()

    def fail(name: str) -> None:
        if name == f"GET /api/v1/accounts/1/contacts/{ids[0]}":
            raise AnsweredError(500, {})

    with api.meanwhile(fail):
        assert syncing(world, api).run(RunRequest()).summary["write_back"] == {"left": 3}
        assert syncing(world, api).run(RunRequest()).summary["write_back"] == {"written": 2, "left": 1}
    assert all(attributes(world, one) == {ATTRIBUTE: ids_of(world, one)} for one in ids[1:])
    assert syncing(world, api).run(RunRequest()).summary["write_back"] == {"written": 1}


def test_a_contact_deleted_while_it_is_written_ends_nothing(world, api):
    one, two = world.add(email="a@example.com"), world.add(email="b@example.com")
    world.run()

    def delete(name: str) -> None:
        if name == f"PUT /api/v1/accounts/1/contacts/{one}":
            with psycopg.connect(world.chatwoot_url, autocommit=True) as connection:
                connection.execute("DELETE FROM contacts WHERE id = %s", (one,))

    with api.meanwhile(delete):
        run = syncing(world, api).run(RunRequest())
    assert run.summary["write_back"] == {"gone": 1, "written": 1}
    assert attributes(world, two) == {ATTRIBUTE: ids_of(world, two)}


@pytest.mark.parametrize(("url", "token"), [("nowhere", "t"), ("http://127.0.0.1:9", "two words")])
def test_a_connection_that_cannot_be_used_costs_the_write_back_only(world, api, caplog, url, token):
    world.add(email="a@example.com")
    sync = syncing(world, api)
    source = ApiSource(url, token, 1)
    run = Sync(sync.settings, sync.sync_dsn, sync.source, sync.krayin, write_back=source.session).run(
        RunRequest()
    )
    assert str(run.state) == "done"
    assert run.summary["write_back"] == {"left": 1}
    assert "cannot be called" in caplog.text
    assert token == "t" or token not in caplog.text


def test_a_refused_token_costs_the_write_back_only(world, api, caplog):
    world.add(email="a@example.com")
    sync = syncing(world, api)
    source = ApiSource(api.url, "wrong", 1)
    run = Sync(sync.settings, sync.sync_dsn, sync.source, sync.krayin, write_back=source.session).run(
        RunRequest()
    )
    assert str(run.state) == "done"
    assert run.summary["created"] == {"person": 1, "lead": 1}
    assert run.summary["write_back"] == {"left": 1}
    assert "access token" in caplog.text


def test_an_attribute_that_is_read_cannot_be_written():
    """A write would then come back as a change, for ever."""
    base = {"name": "test", "chatwoot": {"account_id": 1}, "webhook": {"api_conn_id": "x"}}
    for name in [*READ_ATTRIBUTES, "level"]:
        with pytest.raises(ValidationError, match="choose another"):
            SyncSettings.model_validate(
                {**base, "custom_fields": {"person": {"level": "level"}}, "write_back_attribute": name}
            )
    with pytest.raises(ValidationError, match="api_conn_id"):
        SyncSettings.model_validate({**base, "webhook": {}, "write_back_attribute": ATTRIBUTE})
    api = {**base, "webhook": {}, "chatwoot": {"account_id": 1, "source": "api", "conn_id": "here"}}
    assert SyncSettings.model_validate({**api, "write_back_attribute": ATTRIBUTE}).api_conn_id == "here"


def test_the_attributes_that_are_read_are_known(world):
    """Every attribute that changes what a contact is mapped to is refused above."""
    one = world.add(email="a@example.com")
    with world.sync().source.snapshot() as snapshot:
        contact = next(iter(snapshot.rows(Stream.CONTACTS, SourceFilter(1), ByIds(frozenset({one})))))[0]
    asked: set[str] = set()

    class Spying(dict[str, Any]):
        def get(self, name: str, default: Any = None) -> Any:
            asked.add(name)
            return super().get(name, default)

    spied = type(contact)(
        **{
            **{name: getattr(contact, name) for name in contact.__dataclass_fields__},
            "custom_attributes": Spying(),
            "additional_attributes": Spying(organization="A company"),
        }
    )
    mapping.map_contact(spied, mapping.MappingRules(link_organizations=True))
    assert asked == READ_ATTRIBUTES
