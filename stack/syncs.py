"""The sync files that are in force."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from reconciliation.settings.sync_files import BrokenSync, load_syncs

from stack import connections
from stack.settings import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from stack.settings import Settings

USERS = ROOT / "include" / "syncs"
SANDBOX = ROOT / "sandbox" / "syncs"

TEMPLATE = """\
# Written by `make up`. example.yaml.sample beside this file shows every setting.
name: chatwoot
schedule: "*/10 * * * *"

chatwoot:
  conn_id: {chatwoot}     # Airflow connection to Chatwoot's database
  account_id: {account}
  # inboxes: [1, 2]               # only contacts of these inboxes; default: all

krayin:
  conn_id: {krayin}       # Airflow connection to Krayin
  # requests_per_minute: 60       # default: what the connection says, else auto

# default_phone_region: US        # for phone numbers written without +country
# sync_to_organization: true      # companies of contacts become organizations
# sync_conversations: true        # conversations become activities
# sync_messages: true             # messages become activities
# lead_pipeline_id: 1             # where new leads go; default: Krayin's default pipeline
"""


@dataclass(frozen=True, slots=True)
class Syncs:
    """The syncs of one folder: whose first run `up` starts, and what is wrong with the others."""

    folder: Path
    first: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def sync_dag(sync_name: str) -> str:
    """Return the id of the DAG that carries out `sync_name`."""
    return f"{sync_name}__sync"


def backfill_dag(sync_name: str) -> str:
    """Return the id of the DAG that forecasts `sync_name`, and brings its history over."""
    return f"{sync_name}__backfill"


def folder(settings: Settings) -> Path:
    """Return the folder that DAGs read sync files from."""
    return settings.krayin_sync_syncs or (USERS if settings.real else SANDBOX)


def read(path: Path) -> Syncs:
    """Read the sync files of `path`."""
    syncs = Syncs(path)
    for sync in load_syncs(path):
        if isinstance(sync, BrokenSync):
            syncs.problems.append(str(sync.error))
            continue
        # Other connections are the user's own; they are written in the UI and may not exist yet.
        ours = sync.chatwoot.conn_id == connections.CHATWOOT and sync.krayin.conn_id == connections.KRAYIN
        if sync.enabled and ours:
            syncs.first.append(sync.name)
    return syncs


def write_first(path: Path, account: int) -> Path:
    """Write the first sync file into the empty folder `path` and return the file."""
    path.mkdir(parents=True, exist_ok=True)
    file = path / "chatwoot.yaml"
    file.write_text(
        TEMPLATE.format(chatwoot=connections.CHATWOOT, krayin=connections.KRAYIN, account=account)
    )
    return file


def empty(path: Path) -> bool:
    """Tell whether `path` has no sync file."""
    return not path.is_dir() or not any(file.suffix in {".yaml", ".yml"} for file in path.iterdir())
