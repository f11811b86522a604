"""A first load says what it will take, and waits while Krayin would mail people for what it creates."""

from __future__ import annotations

import json
import logging
import pickle
from typing import TYPE_CHECKING

import pytest
from krayin.catalogue import Workflow
from reconciliation.crm.workflows import WorkflowsNotConfirmedError, mailing_workflows
from reconciliation.run.request import RunRequest
from reconciliation.run.setup import check_sync
from reconciliation.store.run_rows import RunState

from sandbox.krayin.testing import usual_krayin

if TYPE_CHECKING:
    from tests.reconciliation.world import World


def add_workflow(world: World, event: str, action: str, entity: str = "leads") -> int:
    return int(
        world.krayin.application.krayin.database["workflows"].insert(
            {
                "name": f"Welcome by {action}",
                "description": "",
                "entity_type": entity,
                "event": event,
                "condition_type": "and",
                "conditions": "[]",
                "actions": json.dumps([{"id": action, "value": "1"}]),
            }
        )["id"]
    )


@pytest.mark.parametrize(
    ("event", "entity"), [("lead.create.after", "leads"), ("contacts.person.create.after", "persons")]
)
def test_a_first_load_waits_until_workflows_that_mail_are_confirmed(
    world: World, event: str, entity: str
) -> None:
    number = add_workflow(world, event, "send_email_to_person", entity)
    world.add(name="Ada", email="ada@example.com")
    with pytest.raises(WorkflowsNotConfirmedError, match=rf"confirmed_workflows: \[{number}\]"):
        world.run()
    assert world.persons() == world.leads() == []
    # Looking is free, and says what the load waits for.
    dry = world.run(RunRequest(dry_run=True))
    assert len(dry.summary["mailing_workflows"]) == 1
    # Krayin 2.2 does not show the event of a workflow.
    shown = event if usual_krayin()["version"] == "2.1" else f"some event of {entity}"
    assert shown in dry.summary["mailing_workflows"][0]
    lines = list(check_sync(world.sync()))
    assert any(line.startswith("Not confirmed") and shown in line for line in lines)

    run = world.run(confirmed_workflows=[number])
    assert run.summary["created"] == {"person": 1, "lead": 1}
    assert any(line.startswith("Confirmed") for line in check_sync(world.sync(confirmed_workflows=[number])))
    # Afterwards the sync goes on, whatever is automated later.
    add_workflow(world, event, "send_email_to_sales_owner", entity)
    world.add(name="Bob", email="bob@example.com")
    assert world.run().summary["created"] == {"person": 1, "lead": 1}


@pytest.mark.parametrize(
    ("event", "action"),
    [
        ("lead.create.after", "add_tag"),
        ("lead.delete.before", "send_email_to_person"),
        ("activity.create.after", "send_email_to_participants"),
        ("quote.create.after", "send_email_to_person"),
    ],
)
def test_workflows_that_a_load_does_not_set_off_or_that_mail_nobody_are_none_of_its_business(
    event: str, action: str
) -> None:
    assert mailing_workflows([Workflow(1, "x", "leads", event, (action,))]) == []


def test_a_mailing_action_among_others_counts() -> None:
    workflow = Workflow(4, "x", "leads", "lead.update.after", ("add_tag", "send_email_to_sales_owner"))
    assert mailing_workflows([workflow]) == [workflow]


def test_the_error_travels_between_processes() -> None:
    error = WorkflowsNotConfirmedError("acme", {3: "3 (Welcome)"})
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.workflows) == (str(error), {3: "3 (Welcome)"})


def test_the_forecast_stands_before_anything_is_sent_and_progress_while_it_runs(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "reconciliation")
    for number in range(30):
        world.add(name=f"Contact {number}", email=f"c{number}@example.com")
    world.access_options = {"pace": 600}
    sync = world.sync()
    run_id = sync.plan(RunRequest())
    (summary,) = world.rows("SELECT summary FROM sync_run WHERE id = %s", run_id)[0]
    assert summary["first_load"] is True
    assert summary["forecast_calls"] == summary["calls"] + 30
    assert summary["forecast_seconds"] == 3
    assert world.persons() == []
    assert "This is the first load" in caplog.text
    caplog.clear()
    run = sync.load(run_id)
    assert run.state is RunState.DONE
    assert "1 done, 29 left, about 3.0 s at 600 calls a minute" in caplog.text
    assert run.summary["calls"] == summary["forecast_calls"]
    assert (run.summary["done"], run.summary["waiting"]) == (30, 0)
    assert run.summary["remaining_seconds"] == 0
