"""The findings of a sync in the sync database, from the comparison that saw them first to their end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psycopg.types.json import Jsonb
from statements import statement

from reconciliation.binding_scope import BindingScope

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    import psycopg

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
    def open(  # noqa: PLR0913 - the columns of one row
        cls,
        connection: psycopg.Connection,
        run_id: int,
        sync_name: str,
        identity: BindingScope,
        *,
        depth: str,
        repair: bool,
    ) -> FindingStore:
        """Begin a comparison, or the one of this run anew."""
        row = connection.execute(
            statement("reconciliation/open"),
            {
                "run_id": run_id,
                "sync_name": sync_name,
                **identity.parameters(),
                "depth": depth,
                "repair": repair,
            },
        ).fetchone()
        assert row is not None
        return cls(connection, int(row[0]), sync_name, identity)

    def present(self) -> dict[str, set[int]]:
        """Return by kind the contacts, conversations and messages with a finding that may still be there."""
        found: dict[str, set[int]] = {"contact": set(), "conversation": set(), "message": set()}
        for source_kind, source_id, contact_id, *_ in self.connection.execute(
            statement("finding/present"), {"sync_name": self.sync_name}
        ):
            one = contact_id if source_kind == "contact" else source_id
            if source_kind in found and one is not None:
                found[source_kind].add(int(one))
        return found

    def write(self, findings: Iterable[Finding]) -> None:
        """Keep findings; of several with one key the last one counts."""
        unique = {finding.key: finding for finding in findings}
        rows = [_row(finding) for finding in unique.values()]
        for first in range(0, len(rows), BATCH):
            self.connection.execute(
                statement("finding/write"),
                {**self._scope(), "findings": Jsonb(rows[first : first + BATCH])},
            )

    def end_others(self, run_id: int, contact_ids: Collection[int] | None) -> None:
        """End what was found earlier and is not there any more; with `contact_ids` only theirs.

        What waits for the work of a run other than `run_id` is not over.
        """
        self.connection.execute(
            statement("finding/end"),
            {
                "reconciliation_id": self.reconciliation_id,
                "run_id": run_id,
                "sync_name": self.sync_name,
                "contact_ids": None if contact_ids is None else sorted(contact_ids),
            },
        )

    def link(self, run_id: int) -> None:
        """Note by which operation each finding under repair is repaired; others need none."""
        self.connection.execute(
            statement("finding/link"),
            {
                "reconciliation_id": self.reconciliation_id,
                "run_id": run_id,
                **self.identity.parameters(),
            },
        )
        self.connection.execute(
            statement("finding/unplanned"),
            {"reconciliation_id": self.reconciliation_id},
        )

    def counts(self) -> dict[str, Any]:
        """Return how many findings there are by class, and by class and state, and what repairs cost."""
        by_class: dict[str, int] = {}
        states: dict[str, dict[str, int]] = {}
        calls = 0
        for kind, state, number, cost in self.connection.execute(
            statement("finding/count"), {"reconciliation_id": self.reconciliation_id}
        ):
            by_class[kind] = by_class.get(kind, 0) + number
            states.setdefault(kind, {})[state] = number
            calls += int(cost or 0)
        return {**by_class, "states": states, "repair_calls": calls}

    def scope(self) -> tuple[int, dict[str, int]]:
        """Return how many contacts the sync knows, and its linked records by kind."""
        row = self.connection.execute(statement("mapping/scope"), self.identity.parameters()).fetchone()
        assert row is not None
        return int(row[0]), dict(row[1])

    def differing_contacts(self) -> int:
        """Return how many contacts have a difference that nobody accepted."""
        row = self.connection.execute(
            statement("finding/contacts"),
            {"sync_name": self.sync_name, "reconciliation_id": self.reconciliation_id},
        ).fetchone()
        return int(row[0]) if row else 0

    def finish(self, counts: Mapping[str, Any]) -> None:
        """Note what was counted, and that the comparison is over."""
        self.connection.execute(
            statement("reconciliation/finish"), {"id": self.reconciliation_id, "counts": Jsonb(dict(counts))}
        )

    def _scope(self) -> dict[str, Any]:
        return {
            "reconciliation_id": self.reconciliation_id,
            "sync_name": self.sync_name,
            **self.identity.parameters(),
        }


def settle(connection: psycopg.Connection, run_id: int, sync_name: str) -> dict[str, Any]:
    """Note what became of findings whose repair was carried out; return what a run's comparison counts now.

    The numbers are as `reconciliation.counts` holds them, none for a run without a comparison.
    """
    connection.execute(statement("finding/settle"), {"sync_name": sync_name})
    row = connection.execute(statement("reconciliation/of_run"), {"run_id": run_id}).fetchone()
    if row is None:
        return {}
    number, name, target_id, installation_id, account_id, depth, counted = row
    store = FindingStore(connection, number, name, BindingScope(target_id, installation_id, account_id))
    differing = store.differing_contacts()
    equal = max(0, counted.get("in_scope", 0) - differing - counted.get("waiting", 0))
    counts = {**counted, **store.counts(), "in_sync": equal}
    store.finish(counts)
    return {"id": number, "depth": depth, **counts}


def accept(connection: psycopg.Connection, sync_name: str, ids: Sequence[int]) -> int:
    """Note that somebody said that these differences may stay; return how many there were."""
    return connection.execute(
        statement("finding/accept"), {"sync_name": sync_name, "ids": list(ids)}
    ).rowcount


def _row(finding: Finding) -> dict[str, Any]:
    return {
        "key": finding.key,
        "source_kind": finding.source_kind,
        "source_id": finding.source_id,
        "contact_id": finding.contact_id,
        "crm_kind": finding.crm_kind,
        "crm_id": finding.crm_id,
        "class": str(finding.kind),
        "field": finding.field,
        "side": None if finding.side is None else str(finding.side),
        "detail": dict(finding.detail),
        "repair": finding.repair,
        "repair_calls": finding.calls,
        "state": str(finding.state),
    }
