"""The findings of a sync in the sync database, from the comparison that saw them first to their end."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from psycopg.types.json import Jsonb
from statements import statement

from reconciliation.extract.streams import CONTACT, LEAD, RECORDS
from reconciliation.store.binding_scope import BindingScope

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    import psycopg

    from reconciliation.drift.context import Drift
    from reconciliation.drift.finding import Finding

BATCH = 1000


@dataclass(frozen=True, slots=True)
class FindingStore:
    """The findings of one comparison; the connection is in autocommit mode."""

    connection: psycopg.Connection
    reconciliation_id: int
    sync_name: str
    identity: BindingScope

    @classmethod
    def open(cls, drift: Drift) -> FindingStore:
        """Begin a comparison, or the one of this run anew."""
        repairs = bool(drift.policy.classes)
        row = drift.execute("reconciliation/open", depth=drift.depth, repair=repairs).fetchone()
        assert row is not None
        return cls(drift.connection, row[0], drift.settings.name, drift.identity)

    def present(self) -> dict[str, set[int]]:
        """Return by kind the contacts, conversations and messages with a finding that may still be there."""
        found: dict[str, set[int]] = {spec.kind: set() for spec in RECORDS}
        for source_kind, source_id, contact_id, *_ in self._execute("finding/present"):
            of_contact = source_kind in {CONTACT, LEAD}
            kind, one = (CONTACT, contact_id) if of_contact else (source_kind, source_id)
            if kind in found and one is not None:
                found[kind].add(int(one))
        return found

    def write(self, findings: Iterable[Finding]) -> None:
        """Keep findings; of several with one key the last one counts."""
        unique = {finding.key: finding for finding in findings}
        rows = [
            {**asdict(one), "key": key, "class": one.kind, "repair_calls": one.calls}
            for key, one in unique.items()
        ]
        for first in range(0, len(rows), BATCH):
            self._execute("finding/write", findings=Jsonb(rows[first : first + BATCH]))

    def end_others(self, run_id: int, contact_ids: Collection[int] | None) -> None:
        """End what was found earlier and is not there any more; with `contact_ids` only theirs.

        What waits for the work of a run other than `run_id` is not over.
        """
        ids = None if contact_ids is None else sorted(contact_ids)
        self._execute("finding/end", run_id=run_id, contact_ids=ids)

    def link(self, run_id: int) -> None:
        """Note by which operation each finding under repair is repaired; others need none."""
        self._execute("finding/link", run_id=run_id)
        self._execute("finding/unplanned")

    def counts(self) -> dict[str, Any]:
        """Return how many findings there are by class, and by class and state, and what repairs cost."""
        by_class: dict[str, int] = {}
        states: dict[str, dict[str, int]] = {}
        calls = 0
        for kind, state, number, cost in self._execute("finding/count"):
            by_class[kind] = by_class.get(kind, 0) + number
            states.setdefault(kind, {})[state] = number
            calls += int(cost or 0)
        return {**by_class, "states": states, "repair_calls": calls}

    def scope(self) -> tuple[int, dict[str, int]]:
        """Return how many contacts the sync knows, and its linked records by kind."""
        row = self._execute("mapping/scope").fetchone()
        assert row is not None
        return int(row[0]), dict(row[1])

    def in_sync(self, in_scope: int, waiting: int) -> int:
        """Return how many contacts in scope have no difference but accepted ones, and no work waiting."""
        row = self._execute("finding/contacts").fetchone()
        assert row is not None
        return max(0, in_scope - int(row[0]) - waiting)

    def finish(self, counts: Mapping[str, Any]) -> None:
        """Note what was counted, and that the comparison is over."""
        self._execute("reconciliation/finish", id=self.reconciliation_id, counts=Jsonb(dict(counts)))

    def _execute(self, name: str, **parameters: Any) -> psycopg.Cursor[Any]:
        own = {"reconciliation_id": self.reconciliation_id, "sync_name": self.sync_name}
        return self.connection.execute(statement(name), {**self.identity.parameters(), **own, **parameters})


def settle(connection: psycopg.Connection, run_id: int, sync_name: str) -> dict[str, Any]:
    """Note what became of findings whose repair was carried out; return what a run's comparison counts now.

    The numbers are as `reconciliation.counts` holds them, none for a run without a comparison.
    """
    connection.execute(statement("finding/settle"), {"sync_name": sync_name})
    row = connection.execute(statement("reconciliation/of_run"), {"run_id": run_id}).fetchone()
    if row is None:
        return {}
    number, name, depth, counted, *scope = row
    store = FindingStore(connection, number, name, BindingScope(*scope))
    in_sync = store.in_sync(counted.get("in_scope", 0), counted.get("waiting", 0))
    counts = {**counted, **store.counts(), "in_sync": in_sync}
    store.finish(counts)
    return {"id": number, "depth": depth, **counts}


def accept(connection: psycopg.Connection, sync_name: str, ids: Sequence[int], *, by: str) -> int:
    """Note who said that these differences may stay; return how many there were."""
    return connection.execute(
        statement("finding/accept"), {"sync_name": sync_name, "ids": list(ids), "decided_by": by}
    ).rowcount


def reopen(connection: psycopg.Connection, sync_name: str, ids: Sequence[int], *, by: str) -> int:
    """Note who took that back; return how many there were."""
    return connection.execute(
        statement("finding/reopen"), {"sync_name": sync_name, "ids": list(ids), "decided_by": by}
    ).rowcount
