"""The last lines of `up` and `status`: what the syncs did, where to look, how to stop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stack import airflow, first_sync, syncs
from stack.instance import SYNC_DATABASE

if TYPE_CHECKING:
    from stack.instance import Instance
    from stack.progress import Progress


def print_summary(instance: Instance, progress: Progress) -> None:
    """Print what each sync did last, the addresses with their passwords, and the next commands."""
    settings = instance.settings
    begun = instance.state().get("first_syncs", {})
    first_sync.show_incidents(instance.dsn(SYNC_DATABASE), progress)
    names = syncs.read(syncs.folder(settings)).first
    for name in names:
        first_sync.show(instance.dsn(SYNC_DATABASE), name, None, progress)
    if waiting := [name for name in names if name not in begun]:
        dags = ", ".join(first_sync.sync_dag(name) for name in waiting)
        progress.say(f"To start: make up FIRST_SYNC=load, or unpause {dags} in Airflow and run make up again")
    progress.say("")
    progress.say(f"Airflow          {settings.airflow_base_url or instance.url}")
    progress.say(f"  user {airflow.USER}, password {instance.keys.admin}")
    if settings.real is None:
        progress.say(f"Krayin (sandbox) {instance.krayin_url}")
        progress.say(f"  token {instance.keys.sandbox_token}")
    else:
        progress.say(f"Krayin           {instance.krayin_url}")
    progress.say(f"Sync files       {syncs.folder(settings)}")
    progress.say("Stop it with: make down     Logs: make logs     State: make status")
