"""Brings a stack up, or up to date if it runs already, and down."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import psycopg
from reconciliation.errors import DatabaseRevisionError
from reconciliation.migrations import upgrade

from stack import airflow, checks, connections, first_sync, plan, process, sandbox, syncs
from stack.errors import MachineError, StackError
from stack.instance import CHATWOOT_DATABASE, SYNC_DATABASE, Instance, open_instance, write_json
from stack.settings import ROOT

if TYPE_CHECKING:
    from stack.api import AirflowApi
    from stack.progress import Progress, Step
    from stack.settings import RealSystems, Settings
    from stack.supervisor import Plan
    from stack.syncs import Syncs

HEALTHY_SECONDS = 300.0
HEALTH_PARTS = ("metadatabase", "scheduler", "dag_processor", "triggerer")


def up(settings: Settings, progress: Progress) -> Instance:
    """Start the stack of `settings`, wait until it is healthy, run the first sync; return the stack.

    What is running already and fits stays as it is; what changed is brought up to date.

    Raises:
        StackError: something stands in the way; the message says what to change.
    """
    real = settings.real
    checks.modules()
    checks.data_dir(settings.data_dir)
    instance = open_instance(settings)
    with instance.locked():
        running = instance.supervised()
        if running is None:
            # What a supervisor that was killed left behind holds the ports that are looked at next.
            instance.stop_processes()
        own_ports = _own_ports(instance, running)
        checks.ports(plan.ports(instance), own_ports)
        folder = syncs.folder(settings)
        if real:
            _check_real(real, settings, progress)
        _start_postgres(instance, progress)
        _prepare_databases(instance, progress)
        wanted = plan.make(instance)
        if running and running["fingerprint"] != wanted.fingerprint:
            with progress.step("Settings or code changed: stopping the old processes"):
                instance.stop_processes()
            running = None
        if running is None:
            _start_components(instance, wanted, progress)
        else:
            progress.say("Already running.")
        _wait_until_healthy(instance, wanted, progress)
        with instance.api() as api:
            setting = _connect(api, instance, real)
            _sync(api, instance, syncs.read(folder), setting, progress)
    return instance


def _own_ports(instance: Instance, running: dict[str, Any] | None) -> list[int]:
    own = list(running["ports"]) if running else []
    if instance.cluster.running() and (port := instance.cluster.serving_port()):
        own.append(port)
    return own


def _check_real(real: RealSystems, settings: Settings, progress: Progress) -> None:
    folder = syncs.folder(settings)
    first = syncs.empty(folder)
    with progress.step("Checking Chatwoot's database"):
        accounts = checks.chatwoot(real)
        if first:
            account = checks.account(real.chatwoot_account_id, accounts)
    with progress.step("Checking Krayin"):
        answer = checks.krayin(real)
    progress.say(f"  {answer}")
    if first:
        written = syncs.write_first(folder, account)
        progress.say(f"  Wrote the settings of the sync, with comments on what else you can set: {written}")


def _start_postgres(instance: Instance, progress: Progress) -> None:
    cluster = instance.cluster
    serving = cluster.serving_port() if cluster.running() else None
    if serving == cluster.port:
        return
    with progress.step("Starting PostgreSQL"):
        if serving is not None:
            # POSTGRES_PORT was changed: what is connected to the old port goes first.
            instance.stop_processes()
            cluster.stop()
        cluster.start()


def _prepare_databases(instance: Instance, progress: Progress) -> None:
    with progress.step("Preparing the databases") as step:
        for name in (airflow.DATABASE, SYNC_DATABASE):
            instance.cluster.create_database(name)
        instance.layout.airflow.mkdir(exist_ok=True)
        instance.layout.task_logs.mkdir(exist_ok=True)
        write_json(instance.layout.airflow / "passwords.json", {airflow.USER: instance.keys.admin})
        with ThreadPoolExecutor() as pool:
            work: dict[str, Future[None]] = {
                "Airflow's": pool.submit(_migrate_airflow, instance),
                "the sync's": pool.submit(_migrate_sync, instance),
            }
            if instance.settings.real is None:
                work["the sandbox's Chatwoot"] = pool.submit(sandbox.fill, instance)
            while open_work := [name for name, future in work.items() if not future.done()]:
                step.note(", ".join(open_work))
                time.sleep(0.2)
            for future in work.values():
                future.result()


def _migrate_airflow(instance: Instance) -> None:
    # `airflow db migrate` takes ten seconds to find that there is nothing to do.
    head = instance.state().get("airflow_migrated")
    if head and head == [airflow.release(), _airflow_revision(instance)]:
        return
    airflow.migrate(instance.layout, plan.environment(instance))
    instance.remember(airflow_migrated=[airflow.release(), _airflow_revision(instance)])


def _airflow_revision(instance: Instance) -> str | None:
    with psycopg.connect(instance.dsn(airflow.DATABASE)) as connection:
        try:
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        except psycopg.errors.UndefinedTable:
            return None
    return str(row[0]) if row else None


def _migrate_sync(instance: Instance) -> None:
    try:
        upgrade(instance.dsn(SYNC_DATABASE))
    except DatabaseRevisionError as error:
        raise StackError(f"{error}.") from None


def _start_components(instance: Instance, wanted: Plan, progress: Progress) -> None:
    with progress.step("Starting Airflow"):
        with instance.layout.log("supervisor").open("ab") as output:
            started = subprocess.Popen(
                [sys.executable, "-m", "stack.supervisor"],
                env={
                    **os.environ,
                    "PYTHONPATH": str(ROOT),
                    process.MARK: str(instance.layout.root),
                },
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                # It outlives `make up` and its terminal.
                start_new_session=True,
            )
        assert started.stdin is not None
        started.stdin.write(wanted.to_json().encode())
        started.stdin.close()
        deadline = time.monotonic() + 30
        while instance.supervised() is None:
            if started.poll() is not None or time.monotonic() > deadline:
                raise instance.failure("supervisor", "did not start")
            time.sleep(0.1)


def _wait_until_healthy(instance: Instance, wanted: Plan, progress: Progress) -> None:
    deadline = time.monotonic() + HEALTHY_SECONDS
    with progress.step("Waiting until Airflow is healthy") as step, instance.api() as api:
        while True:
            health = api.health()
            missing = [part for part in HEALTH_PARTS if health.get(part) != "healthy"]
            if not missing:
                break
            _see_no_crash_loop(instance)
            if time.monotonic() > deadline:
                component = "api-server" if not health else missing[0].replace("_", "-")
                raise instance.failure(component, f"is not healthy after {HEALTHY_SECONDS:.0f} s")
            _note_missing(step, health, missing)
            time.sleep(0.5)
        if any(component.name == sandbox.COMPONENT for component in wanted.components):
            sandbox.wait_for_krayin(instance, 60)


def _note_missing(step: Step, health: dict[str, str], missing: list[str]) -> None:
    step.note("the API server is starting" if not health else f"waiting for {', '.join(missing)}")


def _see_no_crash_loop(instance: Instance) -> None:
    said = instance.supervised()
    if said is None:
        raise instance.failure("supervisor", "is gone")
    for component in said["components"]:
        # Three in a row is no hiccup; waiting five minutes would only hide the reason.
        if component["failures"] >= 3:
            raise instance.failure(component["name"], f"keeps stopping (exit code {component['exit_code']})")


def _connect(api: AirflowApi, instance: Instance, real: RealSystems | None) -> str:
    if real:
        source = real.chatwoot_database_url.get_secret_value()
        token, pace = real.krayin_api_token.get_secret_value(), instance.settings.krayin_requests_per_minute
        told = "Written by `make up` from the environment or .env"
    else:
        source, token, pace = instance.dsn(CHATWOOT_DATABASE), instance.keys.sandbox_token, 600
        told = "The sandbox, written by `make up`"
    written = [
        connections.postgres(connections.SYNC_DATABASE, instance.dsn(SYNC_DATABASE), "The sync database"),
        connections.postgres(connections.CHATWOOT, source, told),
        connections.krayin(connections.KRAYIN, instance.krayin_url, token, pace, told),
    ]
    fingerprint = connections.fingerprint(written)
    # Written only when they change: what a person corrected in the UI stays.
    if instance.state().get("connections") != fingerprint:
        api.write_connections(written)
        instance.remember(connections=fingerprint)
    return fingerprint


def _sync(api: AirflowApi, instance: Instance, found: Syncs, setting: str, progress: Progress) -> None:
    for problem in found.problems:
        progress.warn(problem)
    if not first_sync.wait_for_dags(api, found, progress):
        progress.warn("There are no DAGs in dags/, so nothing is synced.")
        return
    first_sync.run(api, instance, found, setting, progress)


def down(instance: Instance, progress: Progress) -> None:
    """Stop everything of `instance`, PostgreSQL last; its data stays.

    Raises:
        MachineError: a process could not be ended.
    """
    with progress.step("Stopping Airflow"):
        left = instance.stop_processes()
    if left:
        progress.say(f"  {left} process(es) without a parent were stopped as well.")
    with progress.step("Stopping PostgreSQL"):
        instance.cluster.stop()
    remaining = [f"{each.pid} {each.name()}" for each in process.marked(instance.layout.root)]
    if instance.cluster.running():
        remaining.append("PostgreSQL")
    if remaining:
        raise MachineError(f"Still running: {', '.join(remaining)}. Run `make down` again.")
