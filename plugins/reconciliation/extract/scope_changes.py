"""Who begins and ends to be meant by a sync's rules: what was missed meanwhile is read when he is again."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from chatwoot.records import OutOfScope
from statements import statement

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import psycopg
    from chatwoot.source import Row

    from reconciliation.store.binding_scope import BindingScope


@dataclass(slots=True)
class ScopeChanges:
    """Notes which contacts with records in Krayin are out of a sync's scope; nothing is done to them.

    Attributes:
        has_rule: whether the sync leaves anybody out.
        reads_all: whether everybody in scope is read, so that whoever does not come is out of it.
        returned: the contacts read that were out of scope before.
    """

    connection: psycopg.Connection
    sync_name: str
    identity: BindingScope
    has_rule: bool
    reads_all: bool = False
    returned: set[int] = field(default_factory=set)
    _left: array[int] = field(default_factory=lambda: array("q"))
    _inside: array[int] = field(default_factory=lambda: array("q"))

    def watching(self, chunks: Iterable[Sequence[Row]]) -> Iterator[Sequence[Row]]:
        """Yield the contacts that are in scope, chunk by chunk."""
        if not self.has_rule:
            yield from chunks
            return
        for chunk in chunks:
            inside = [row for row in chunk if not isinstance(row, OutOfScope)]
            self._left.extend(row.key for row in chunk if isinstance(row, OutOfScope))
            keys = [row.key for row in inside]
            if self.reads_all:
                self._inside.extend(keys)
            self.returned.update(row[0] for row in self._execute("out_of_scope/among", keys))
            if inside:
                yield inside

    def note(self) -> None:
        """Keep who is out of scope now, in the transaction that ends the planning of the others."""
        if self.reads_all:
            self._execute("out_of_scope/return", None)
            if self.has_rule:
                self._execute("out_of_scope/leave_others", self._inside)
        elif self.has_rule:
            self._execute("out_of_scope/return", self.returned)
            self.leave(self._left)

    def leave(self, contact_ids: Iterable[int]) -> None:
        """Note that contacts are out of scope."""
        self._execute("out_of_scope/leave", contact_ids)

    def count(self) -> int:
        """Return how many contacts with records in Krayin are out of scope."""
        (number,) = self._execute("out_of_scope/count").fetchone() or (0,)
        return int(number)

    def _execute(self, name: str, contact_ids: Iterable[int] | None = None) -> psycopg.Cursor[tuple[int]]:
        ids = None if contact_ids is None else list(contact_ids)
        return self.connection.execute(
            statement(name),
            {"sync_name": self.sync_name, **self.identity.parameters(), "contact_ids": ids},
        )
