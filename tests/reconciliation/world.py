"""A small world to run a whole sync in: a Chatwoot database, a sync database and a stand-in for Krayin."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

import psycopg
import pytest
from chatwoot.api.source import ApiSource
from chatwoot.database.source import DatabaseSource
from krayin.client import KrayinClient
from krayin.routes import access_key, find_api
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from reconciliation.drift.request import ReconcileRequest
from reconciliation.drift.run import compare, repair
from reconciliation.extract.look import confirm_source
from reconciliation.model.timing import Timing
from reconciliation.run.request import RunRequest
from reconciliation.run.sync_run import Sync
from reconciliation.settings.sync_settings import SyncSettings
from reconciliation.store.incidents import Incident, open_incidents

from sandbox.chatwoot import changes
from sandbox.chatwoot_api.testing import RunningChatwootApi, running_chatwoot_api

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import httpx
    from chatwoot.source import ChatwootSource
    from krayin.permits import RateLimiter
    from krayin.session import ApiCall
    from reconciliation.store.run_rows import Run

    from sandbox.krayin.testing import RunningKrayin

EVERYTHING = {
    "sync_to_organization": True,
    "sync_conversations": True,
    "sync_messages": True,
    "stage_progression_enabled": True,
    "stage_on_conversation_created": 2,
    "stage_on_first_response": 3,
    "stage_on_conversation_resolved": 4,
    "max_changes_without_approval": {"number": 100_000},
}
"""Settings that bring everything over, and ask nobody about changes."""
ACCOUNT = 1
QUICK = Timing(settle=timedelta(seconds=1), backoff=timedelta(seconds=1), down=timedelta(seconds=0.5))
"""As usual, but for what is waited for within a run."""
on_each_krayin = pytest.mark.parametrize(
    "world", [{"version": "2.1"}, {"version": "2.2"}], indirect=True, ids=("2.1", "2.2")
)
"""Runs a test that takes `world` on each version of Krayin."""


@dataclass(frozen=True)
class StandInAccess:
    """The stand-in as the sync's Krayin."""

    address: str
    token: str
    pace: int | Literal["auto"] = 6_000
    options: dict[str, Any] = field(default_factory=dict)

    def key(self) -> str:
        return access_key(self.address, self.token)

    def requests_per_minute(self) -> int | Literal["auto"]:
        return self.pace

    def client(self, limiter: RateLimiter, on_call: Callable[[ApiCall], None]) -> KrayinClient:
        base_url = find_api(self.address)
        return KrayinClient(base_url, self.token, limiter=limiter, on_call=on_call, **self.options)


@dataclass
class World:
    """What a test of a whole sync talks to; `settings` are the keys of a sync file.

    `reader` is the URL by which Chatwoot's database is read, where that is not its owner's.
    """

    chatwoot_url: str
    sync_url: str
    krayin: RunningKrayin
    settings: dict[str, Any] = field(default_factory=dict)
    access_options: dict[str, Any] = field(default_factory=dict)
    reader: str | None = None

    def source(self) -> ChatwootSource:
        """Where Chatwoot is read from."""
        return DatabaseSource(self.reader or self.chatwoot_url)

    def sync(self, name: str = "test", **settings: Any) -> Sync:
        """The sync with the world's settings and these."""
        keys = {"name": name, "chatwoot": {"account_id": ACCOUNT}, **self.settings, **settings}
        return Sync(
            settings=SyncSettings.model_validate(keys),
            sync_dsn=self.sync_url,
            source=self.source(),
            krayin=StandInAccess(self.krayin.url, self.krayin.token, **self.access_options),
            timing=QUICK,
        )

    def run(self, request: RunRequest | None = None, **settings: Any) -> Run:
        """Plan and load once."""
        return self.sync(**settings).run(request or RunRequest())

    def compared(self, repairing: bool | None = True, **settings: Any) -> int:
        """Compare everything and repair it, or as the settings say with None; return the id of the run."""
        sync = self.sync(**settings)
        run_id = compare(sync, ReconcileRequest(depth="full", repair=repairing))
        repair(sync, run_id)
        return run_id

    # --- Chatwoot ------------------------------------------------------------------------------

    def add(self, **columns: Any) -> int:
        """Add a contact and return its id."""
        with psycopg.connect(self.chatwoot_url, autocommit=True) as connection:
            return changes.add_contact(connection, ACCOUNT, **columns)

    def change(self, contact_id: int, **columns: Any) -> None:
        """Change a contact as Chatwoot's dashboard does."""
        with psycopg.connect(self.chatwoot_url, autocommit=True) as connection:
            changes.update_contact(connection, contact_id, **columns)

    def chatwoot(self, statement: str) -> None:
        """Execute a statement in Chatwoot's database as its owner."""
        with psycopg.connect(self.chatwoot_url, autocommit=True) as connection:
            connection.execute(statement)  # type: ignore[call-overload]

    # --- Krayin --------------------------------------------------------------------------------

    def api(self, method: str, path: str, body: Any = None, *, good: bool = True) -> Any:
        """Call the stand-in as a salesperson's browser would, outside the sync's budget."""
        with self.krayin.client() as http:
            answer = http.request(method, f"/api/v1/{path}", json=body)
        if good:
            assert answer.status_code == 200, answer.text[:500]
        return answer.json()

    def persons(self) -> list[dict[str, Any]]:
        return sorted(self.api("GET", "contacts/persons?pagination=0")["data"], key=lambda row: row["id"])

    def leads(self) -> list[dict[str, Any]]:
        return sorted(self.api("GET", "leads?pagination=0")["data"], key=lambda row: row["id"])

    def organizations(self) -> list[dict[str, Any]]:
        rows = self.api("GET", "contacts/organizations?pagination=0")["data"]
        return sorted(rows, key=lambda row: row["id"])

    def stored(self, entity: str, crm_id: int) -> dict[str, Any]:
        """A record as stored: raw dates, owner, custom attributes."""
        return self.api("GET", f"settings/attributes/lookup-entity/{entity}?query={crm_id}")

    # --- sync database -------------------------------------------------------------------------

    def rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Rows of the sync database."""
        with psycopg.connect(self.sync_url, autocommit=True) as connection:
            connection.execute("SET search_path = krayin_sync")
            return connection.execute(query, parameters).fetchall()

    def calls(self, run_id: int) -> Sequence[tuple[str, str, int]]:
        """Method, route and status of the calls of a run, in order."""
        return self.rows("SELECT method, route, status FROM api_call WHERE run_id = %s ORDER BY id", run_id)

    def operations(self, state: str) -> list[tuple[Any, ...]]:
        """Source, error class and message of the operations in a state."""
        return self.rows(
            "SELECT source_kind, source_id, error_class, error_message FROM operation WHERE state = %s ORDER BY id",
            state,
        )

    # --- incidents -----------------------------------------------------------------------------

    def incidents(self) -> list[Incident]:
        """The open incidents, the oldest first."""
        with psycopg.connect(self.sync_url, autocommit=True) as connection:
            return open_incidents(connection)

    def kinds(self) -> list[str]:
        """The kinds of the open incidents."""
        return [one.kind for one in self.incidents()]

    def confirm(self) -> None:
        """Say that Chatwoot is right as it shows itself."""
        with psycopg.connect(self.sync_url, autocommit=True) as connection:
            for one in open_incidents(connection):
                confirm_source(connection, one, by="ada")


@dataclass
class ApiWorld(World):
    """The same world, seen through Chatwoot's API.

    `transport` stands between the sync and the API where it is given.
    """

    chatwoot_api: RunningChatwootApi | None = None
    installation: str | None = None
    token: str | None = None
    transport: httpx.BaseTransport | None = None

    def source(self) -> ApiSource:
        """Where Chatwoot is read from."""
        assert self.chatwoot_api is not None
        return ApiSource(
            self.chatwoot_api.url,
            self.token or self.chatwoot_api.token,
            ACCOUNT,
            installation=self.installation,
            requests_per_minute=1_000_000,
            transport=self.transport,
            sleep=lambda _: None,
        )


@contextmanager
def api_world(url: str, sync_url: str, krayin: RunningKrayin, **settings: Any) -> Iterator[ApiWorld]:
    """Serve a Chatwoot database by the API and yield its world."""
    with DatabaseSource(url).snapshot() as snapshot:
        installation = snapshot.installation
    with running_chatwoot_api(url, requests_per_minute=1_000_000) as api:
        yield ApiWorld(url, sync_url, krayin, settings, chatwoot_api=api, installation=installation)


@contextmanager
def reading_role(chatwoot_url: str, named: str = "reader") -> Iterator[str]:
    """Make a role that may read everything in a database and owns nothing; yield the URL it reads by."""
    name = f"{named}_of_{conninfo_to_dict(chatwoot_url)['dbname']}"
    role = sql.Identifier(name)
    with psycopg.connect(chatwoot_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'x'").format(role))
        connection.execute(sql.SQL("GRANT pg_read_all_data TO {}").format(role))
    yield make_conninfo(chatwoot_url, user=name, password="x")
    with psycopg.connect(chatwoot_url, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP OWNED BY {}").format(role))
        connection.execute(sql.SQL("DROP ROLE {}").format(role))
