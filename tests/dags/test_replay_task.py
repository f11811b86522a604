"""The task behind the form of krayin_replay."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from airflow.sdk.exceptions import AirflowFailException
from reconciliation.airflow import admin_tasks

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def sync_db_url(new_database: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> str:
    from reconciliation.migrations import upgrade

    url = new_database("sync")
    upgrade(url)
    monkeypatch.setattr(admin_tasks, "sync_dsn", lambda: url)
    return url


def quarantine(url: str, error_class: str, source_id: str) -> int:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET search_path = krayin_sync")
        connection.execute(
            "INSERT INTO krayin_target (base_url) VALUES ('http://crm.test') ON CONFLICT DO NOTHING"
        )
        connection.execute(
            "INSERT INTO chatwoot_installation (identity) VALUES ('one') ON CONFLICT DO NOTHING"
        )
        connection.execute(
            "INSERT INTO scope (target_id, installation_id, account_id)"
            " SELECT target.id, installation.id, 1 FROM krayin_target AS target, chatwoot_installation AS installation"
            " ON CONFLICT DO NOTHING"
        )
        connection.execute("INSERT INTO sync_run (sync_name, kind) VALUES ('support', 'manual')")
        row = connection.execute(
            "INSERT INTO operation (run_id, sync_name, lane, target_id, scope_id, source_kind,"
            " source_id, payload, source_read_at, forecast_calls, state, error_class, finished_at)"
            " VALUES ((SELECT min(id) FROM sync_run), 'support', 1, (SELECT min(id) FROM krayin_target),"
            " (SELECT min(id) FROM scope), 'contact', %s, '{}', now(), 1, 'quarantined', %s, now())"
            " RETURNING id",
            (source_id, error_class),
        ).fetchone()
        assert row is not None
        return int(row[0])


def states(url: str) -> dict[int, str]:
    with psycopg.connect(url) as connection:
        return dict(connection.execute("SELECT id, state FROM krayin_sync.operation").fetchall())


def form(**filled: object) -> dict[str, Any]:
    """The context of a run that somebody started with this form."""
    params = {"sync": "support", "operation": None, "error_class": None, "all": False, **filled}
    return {"params": params, "dag_run": SimpleNamespace(run_id="manual__1", triggering_user_name="ada")}


def test_the_form_names_one_a_reason_or_everything(sync_db_url: str) -> None:
    one, two, three = (
        quarantine(sync_db_url, reason, str(number))
        for number, reason in enumerate(("taken", "taken", "rejected"))
    )
    assert admin_tasks.replay(form(operation=one)) == {"planned": 1, "left": 0}
    assert states(sync_db_url) == {one: "planned", two: "quarantined", three: "quarantined"}
    assert admin_tasks.replay(form(error_class="taken")) == {"planned": 1, "left": 0}
    assert states(sync_db_url)[three] == "quarantined"
    assert admin_tasks.replay(form(sync="another", all=True)) == {"planned": 0, "left": 0}
    assert admin_tasks.replay(form(all=True)) == {"planned": 1, "left": 0}
    assert set(states(sync_db_url).values()) == {"planned"}


def test_an_empty_form_is_refused_with_one_sentence(sync_db_url: str) -> None:
    with pytest.raises(AirflowFailException, match="exactly one of these"):
        admin_tasks.replay(form())
