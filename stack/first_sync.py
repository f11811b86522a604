"""The first run of each sync, started and watched by `up`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from stack import summary
from stack.errors import StackError
from stack.instance import SYNC_DATABASE
from stack.settings import ROOT
from stack.syncs import backfill_dag, sync_dag

if TYPE_CHECKING:
    from collections.abc import Collection

    from stack.api import AirflowApi
    from stack.instance import Instance
    from stack.progress import Progress
    from stack.syncs import Syncs

SETUP_DAG = "krayin_setup"
CARING_DAGS = ("krayin_alerts", "krayin_maintenance")
PARSE_SECONDS = 180.0
SETUP_SECONDS = 300.0
OWED_SECONDS = 4.0


def wait_for_dags(api: AirflowApi, syncs: Syncs, progress: Progress) -> set[str]:
    """Wait until Airflow knows the DAGs of every sync; return all ids, none if there are no DAG files.

    Raises:
        StackError: they did not come; the message has the DAG files' import errors.
    """
    if not any(path.suffix == ".py" for path in (ROOT / "dags").glob("*")):
        return set()
    # Others as well: only what is known when `up` ends is let run.
    parts = ("sync", "events", "approval", "backfill")
    wanted = {SETUP_DAG, *CARING_DAGS, *(f"{name}__{part}" for name in syncs.first for part in parts)}
    deadline = time.monotonic() + PARSE_SECONDS
    with progress.step("Reading the DAGs") as step:
        while missing := wanted - api.paused().keys():
            if time.monotonic() > deadline:
                errors = "\n".join(f"    {line}" for line in api.import_errors()) or "    none reported"
                raise StackError(
                    f"Airflow found no DAG {', '.join(sorted(missing))} after {PARSE_SECONDS:.0f} s.\n"
                    f"Import errors of DAG files:\n{errors}"
                )
            step.note(f"waiting for {', '.join(sorted(missing))}")
            time.sleep(1.0)
    return set(api.paused())


def run(api: AirflowApi, instance: Instance, syncs: Syncs, setting: str, progress: Progress) -> None:
    """Run setup, then the first sync of each sync that has not had one with these connections.

    `setting` tells one set of connections from another: with other connections it is a first sync again.
    Scheduled work begins only after setup has found nothing wrong, and where only a forecast is wanted
    (`first_sync`), not before somebody lets the sync run, by another `up` or in Airflow.

    Raises:
        RunFailedError: setup or a sync failed; its last error is in the message.
    """
    done: dict[str, str] = instance.state().get("first_syncs", {})
    due = [name for name in syncs.first if done.get(name) != setting]
    if due:
        _set_up(api, instance, progress)
    paused, waiting = api.paused(), set[str]()
    for name in due:
        if instance.settings.first_sync == "load" or not paused[sync_dag(name)]:
            _run_one(api, instance, name, progress)
            instance.remember(first_syncs={**instance.state().get("first_syncs", {}), name: setting})
        else:
            _forecast(api, instance, name, progress)
            waiting.add(name)
    begun = {dag_id for dag_id in api.paused() if dag_id.rpartition("__")[0] not in waiting}
    if _unpause(api, instance, begun):
        api.parse_again(f"{name}__events" for name in syncs.first if name not in waiting)


def _set_up(api: AirflowApi, instance: Instance, progress: Progress) -> None:
    _unpause(api, instance, {SETUP_DAG})
    with progress.step("Checking Krayin, its pipelines and the settings (krayin_setup)") as step:
        started = api.trigger(SETUP_DAG)
        if api.wait(SETUP_DAG, started, SETUP_SECONDS, step.note) != "success":
            raise StackError(
                f"{SETUP_DAG} did not finish within {SETUP_SECONDS:.0f} s; see it in Airflow: {instance.url}"
            )


def _run_one(api: AirflowApi, instance: Instance, name: str, progress: Progress) -> None:
    dsn, dag_id = instance.dsn(SYNC_DATABASE), sync_dag(name)
    with progress.step(f"First sync of {name}") as step:
        # Let run, Airflow may start the run that the schedule owes: one of our own would only follow it.
        owed = _owed_run(api, dag_id) if _unpause(api, instance, {dag_id}) else None
        started = owed or api.trigger(dag_id)

        def watch(state: str) -> None:
            done = summary.work(dsn, name, started)
            step.note(str(done) if done else state)

        state = api.wait(dag_id, started, instance.settings.first_sync_wait, watch)
    if state != "success":
        progress.warn(f"The first sync of {name} is still running; follow it at {instance.url}/dags/{dag_id}")


def _forecast(api: AirflowApi, instance: Instance, name: str, progress: Progress) -> None:
    """Plan everything and send nothing, by the only DAG of a sync whose schedule does nothing."""
    dag_id = backfill_dag(name)
    with progress.step(f"Forecast of the first sync of {name}; nothing is sent") as step:
        _unpause(api, instance, {dag_id})
        state = api.wait(dag_id, api.trigger(dag_id), instance.settings.first_sync_wait, step.note)
    if state != "success":
        progress.warn(f"The forecast for {name} is still running; follow it at {instance.url}/dags/{dag_id}")


def _owed_run(api: AirflowApi, dag_id: str) -> str | None:
    deadline = time.monotonic() + OWED_SECONDS
    while time.monotonic() < deadline:
        if active := api.active_runs(dag_id):
            return active[0]
        time.sleep(0.5)
    return None


def _unpause(api: AirflowApi, instance: Instance, dag_ids: Collection[str]) -> bool:
    """Let the DAGs run that were not let run before (one paused by a person stays so); tell if any was."""
    before = set(instance.state().get("unpaused", []))
    new = set(dag_ids) - before
    for dag_id in new:
        api.unpause(dag_id)
    instance.remember(unpaused=sorted(before | new))
    return bool(new)
