"""What the detectors and the repair of one comparison share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psycopg.rows import dict_row
from statements import statement

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import psycopg

    from reconciliation.drift.request import Depth, Policy
    from reconciliation.run.factory import RunFactory
    from reconciliation.settings.sync_settings import SyncSettings
    from reconciliation.store.binding_scope import BindingScope

# Custom fields, which Krayin's lists do not show, by kind and CRM id.
CustomFields = dict[tuple[str, int], "Mapping[str, Any]"]


@dataclass(frozen=True, slots=True)
class Drift:
    """One comparison of one sync, with an open Krayin.

    `parts` are those of the sync, with a connection in autocommit mode; `named` the contacts asked for, none
    for all.
    """

    parts: RunFactory
    identity: BindingScope
    run_id: int
    depth: Depth
    policy: Policy
    named: frozenset[int] = frozenset()

    @property
    def connection(self) -> psycopg.Connection:
        """The connection to the sync database."""
        return self.parts.connection

    @property
    def settings(self) -> SyncSettings:
        """The settings of the sync."""
        return self.parts.sync.settings

    def execute(self, name: str, **parameters: Any) -> psycopg.Cursor[Any]:
        """Carry out a statement about the records of this sync, in this run."""
        return self.connection.execute(statement(name), self._parameters(parameters))

    def rows(self, name: str, **parameters: Any) -> list[dict[str, Any]]:
        """Return the rows of such a statement by column."""
        with self.connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(statement(name), self._parameters(parameters)).fetchall()

    def busy(self, source_kind: str, source_ids: Iterable[str]) -> set[str]:
        """Return which of some source records have work planned or under way: it sees to what differs."""
        rows = self.execute("operation/waiting", source_kind=source_kind, source_ids=list(source_ids))
        return {row[0] for row in rows}

    def mapped(self, contact_ids: Iterable[int]) -> list[int]:
        """Return which of some contacts the mapping knows."""
        rows = self.execute("mapping/hashes", contact_ids=[str(one) for one in contact_ids])
        return sorted({int(row[0]) for row in rows})

    def members(self, folded_name: str) -> list[int]:
        """Return the contacts that name a company."""
        rows = self.execute("organization_member/by_organization", folded_names=[folded_name])
        return [row[1] for row in rows]

    def _parameters(self, more: Mapping[str, Any]) -> dict[str, Any]:
        own = {"sync_name": self.settings.name, "run_id": self.run_id}
        return {**self.identity.parameters(), **own, **more}
