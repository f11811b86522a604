"""What the pages need of where they run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from reconciliation.run.sync_run import Sync
    from reconciliation.settings.sync_files import BrokenSync
    from reconciliation.settings.sync_settings import SyncSettings
    from reconciliation.web.facts import Row, SyncFacts

RECOVER: Final = "krayin_recover"
"""The DAG that answers incidents."""


@dataclass(frozen=True, slots=True)
class PageContext:
    """What the page needs of where it runs; all but `signed_in` are called in a thread.

    Attributes:
        signed_in: a FastAPI dependency that returns the user, or raises HTTPException 401.
        readable: returns the DAGs a user may read, by id, and whether each is paused.
        login: returns where to sign in and come back to an address, None to answer 401.
        may_start: tells whether a user may start a DAG.
        start: starts a run of a DAG with the values of its form, returns the run's id.
        question: returns the run of a DAG that waits for an answer under Required Actions, None without.
        answer: answers that of a DAG and run with an option; raises HTTPException where that may not be.
        audit: notes in Airflow's log what a user did: event, DAG and further facts, ids only.
        syncs: returns the syncs.
        open_sync: returns a sync by name with the ways to its systems.
        sync_dsn: returns the connection string of the sync database.
    """

    signed_in: Callable[..., Awaitable[Any]]
    readable: Callable[[Any], Mapping[str, bool]]
    login: Callable[[str], str | None]
    may_start: Callable[[Any, str], bool]
    start: Callable[[Any, str, Mapping[str, Any]], str]
    question: Callable[[str], str | None]
    answer: Callable[[Any, str, str, str], None]
    audit: Callable[[Any, str, str, str], None]
    syncs: Callable[[], Sequence[SyncSettings | BrokenSync]]
    open_sync: Callable[[str], Sync]
    sync_dsn: Callable[[], str]

    def readable_syncs(self, dags: Mapping[str, bool]) -> dict[str, SyncSettings | BrokenSync]:
        """Return by name the syncs whose DAG is among `dags`, those that somebody may read."""
        return {sync.name: sync for sync in self.syncs() if f"{sync.name}__sync" in dags}

    def answerable(
        self, user: Any, dags: Mapping[str, bool], facts: Mapping[str, SyncFacts]
    ) -> list[tuple[Row, str | None]]:
        """Return what is open of these syncs, each incident once, with a sync whose user may answer."""
        rows = {row["incident_id"]: row for each in facts.values() for row in each.incidents}
        may = RECOVER in dags and self.may_start(user, RECOVER)
        answers = {
            row["incident_id"]: name
            for name, each in facts.items()
            for row in each.incidents
            if may and self.may_start(user, f"{name}__sync")
        }
        return [(rows[number], answers.get(number)) for number in sorted(rows)]
