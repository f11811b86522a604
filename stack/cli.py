"""The commands `up`, `down`, `status`, `logs`, `reset` and `airflow`."""

from __future__ import annotations

import os
import shutil
import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from stack import airflow, logs, plan
from stack import up as stack_up
from stack.errors import SettingsError, StackError
from stack.instance import Layout, open_instance
from stack.progress import Progress
from stack.settings import load
from stack.summary import print_summary

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Everything on one machine.",
)


@app.command()
def up() -> None:
    """Start everything, run the first sync, print addresses and passwords."""
    progress = Progress()
    instance = stack_up.up(load(), progress)
    print_summary(instance, progress)


@app.command()
def down() -> None:
    """Stop everything; data stays."""
    settings, progress = load(), Progress()
    if not Layout(settings.data_dir).marker.exists():
        progress.say(f"Nothing was ever started in {settings.data_dir}.")
        return
    instance = open_instance(settings)
    with instance.locked():
        stack_up.down(instance, progress)
    progress.say(f"Stopped. All data is kept in {settings.data_dir}; `make up` goes on from there.")


@app.command()
def status() -> None:
    """Show what runs, how healthy it is and what the last sync did."""
    settings, progress = load(), Progress()
    instance = open_instance(settings) if Layout(settings.data_dir).marker.exists() else None
    running = instance.supervised() if instance else None
    if instance is None or running is None:
        progress.say("Not running. Start it with: make up")
        raise typer.Exit(3)
    table = Table("component", "process", "starts", "last exit code", box=None)
    for each in running["components"]:
        code = "" if each["exit_code"] is None else str(each["exit_code"])
        table.add_row(each["name"], str(each["pid"] or "restarting"), str(each["starts"]), code)
    progress.console.print(table)
    with instance.api() as api:
        health = api.health()
    progress.say("Health: " + (", ".join(f"{name} {state}" for name, state in health.items()) or "no answer"))
    print_summary(instance, progress)


@app.command(name="logs")
def show_logs(
    component: Annotated[str | None, typer.Argument(help="One component; all when left out.")] = None,
    *,
    lines: Annotated[int, typer.Option(help="How many lines of each.")] = 40,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with new lines, until Ctrl-C.")
    ] = False,
) -> None:
    """Show the components' logs, each under the name of its file."""
    if found := logs.files(Layout(load().data_dir), component):
        command = logs.tail(found, lines, follow=follow)
        os.execvp(command[0], command)  # noqa: S606 - no shell is wanted


@app.command(name="reset")
def reset_all(*, yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> None:
    """Stop everything and delete all data: databases, keys, logs."""
    settings = load()
    if not yes:
        if not sys.stdin.isatty():
            raise StackError(
                f"This deletes {settings.data_dir}. Say so without being asked: CONFIRM=yes make reset"
            )
        typer.confirm(f"Delete {settings.data_dir} with all databases, keys and logs in it?", abort=True)
    down()
    if not settings.data_dir.exists():
        return
    marker = Layout(settings.data_dir).marker
    if not marker.exists():
        raise SettingsError(
            f"DATA_DIR={settings.data_dir} was not made by `make up` (it has no {marker.name}).\n"
            "To remove it, delete it yourself."
        )
    shutil.rmtree(settings.data_dir)
    typer.echo(f"Deleted {settings.data_dir}.")


@app.command(name="airflow", context_settings={"ignore_unknown_options": True, "help_option_names": []})
def airflow_command(arguments: Annotated[list[str] | None, typer.Argument()] = None) -> None:
    """Run Airflow's own command line against this stack, for example: airflow -- dags list."""
    instance = open_instance(load())
    command = airflow.command(*(arguments or []))
    os.execve(command[0], command, plan.environment(instance))  # noqa: S606 - no shell is wanted


def main() -> None:
    """Run the command line; what a person can mend is said without a traceback."""
    console = Console(stderr=True)
    try:
        app()
    except StackError as error:
        console.print(f"✗ {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(1)
    except KeyboardInterrupt:
        console.print("\nInterrupted. What was started keeps running; stop it with: make down")
        sys.exit(130)
