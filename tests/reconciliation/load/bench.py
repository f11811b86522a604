"""A sink alone: the stand-in for Krayin, and a sync database that is a few dictionaries.

What a sink asks of ledger, store and snapshot is kept in `Bench.notes` in order, calls to Krayin among it: a test
reads there that an intent was noted before its call, and what was recorded after it.
"""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

from krayin.catalogue import load_catalogue
from krayin.client import KrayinClient
from krayin.permits import NoopLimiter
from reconciliation.crm.reads import CrmReads, CurrentAttributes
from reconciliation.errors import OperationHeldError
from reconciliation.load.sink import LoadContext
from reconciliation.settings.sync_settings import SyncSettings
from reconciliation.settings.targets import resolve_targets
from reconciliation.store.binding_scope import BindingScope
from reconciliation.store.ledger import Operation, OperationState
from reconciliation.store.mapping_row import MappingRow, MappingState
from reconciliation.store.mapping_store import AlreadyMappedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import psycopg
    from krayin.records import Person
    from krayin.session import ApiCall
    from reconciliation.crm.lineage import Lineage
    from reconciliation.crm.snapshot import RecordSnapshot
    from reconciliation.store.ledger import Ledger
    from reconciliation.store.mapping_store import MappingStore

    from sandbox.krayin.testing import RunningKrayin

WHO = BindingScope(1, 1, 1, 1)
Notes = list[tuple[Any, ...]]


def row(crm_id: int | None, state: MappingState = MappingState.LINKED, **columns: Any) -> MappingRow:
    """A mapping row; of one that was created by us unless it says otherwise."""
    return MappingRow(
        **{
            "id": crm_id or 0,
            "crm_id": crm_id,
            "origin": "created",
            "state": state,
            "source_hash": b"new",
            "acked_hash": b"old",
            **columns,
        }
    )


def operation(source_kind: str, payload: Mapping[str, Any], **columns: Any) -> Operation:
    """A claimed operation of source record 7 that was not tried before."""
    return Operation(
        **{
            "id": 1,
            "fence": 1,
            "lane": 1,
            "identity": WHO,
            "source_kind": source_kind,
            "source_id": "7",
            "payload": payload,
            "natural_keys": (),
            "state": OperationState.PLANNED,
            "step": None,
            "attempts": 0,
            "sent_at": None,
            "error_class": None,
            "error_message": None,
            **columns,
        }
    )


@dataclass
class _Ledger:
    notes: Notes
    must_ask: bool = False
    move: tuple[int, Mapping[str, Any]] | None = None
    """Id and payload of the move that waits for the lead."""

    def waiting_move(self, _: Operation) -> tuple[int, Mapping[str, Any]] | None:
        return self.move

    def carried_out(self, operation_id: int, result: Mapping[str, str]) -> None:
        self.notes.append(("carried_out", operation_id, dict(result)))

    def transaction(self) -> Any:
        return nullcontext()

    def intend(self, operation: Operation, step: str) -> None:
        self.notes.append(("intent", step))

    def progress(self, operation: Operation, step: str) -> None:
        self.notes.append(("progress", step))

    def allow(self, operation: Operation, removes: Sequence[str]) -> None:
        if removes and self.must_ask:
            raise OperationHeldError(operation.id)


@dataclass
class _Store:
    notes: Notes
    kept: dict[tuple[str, str, str], MappingRow] = field(default_factory=dict)
    """By source kind, source id and CRM kind."""
    others: dict[tuple[str, int], str] = field(default_factory=dict)
    """Whose a record is that belongs to somebody else, by CRM kind and id."""

    def rows_of(self, _: BindingScope, source_kind: str, source_id: str) -> dict[str, MappingRow]:
        kept = self.kept.items()
        return {
            crm_kind: one for (kind, id_, crm_kind), one in kept if (kind, id_) == (source_kind, source_id)
        }

    def owners(self, _: int, crm_kind: str, crm_ids: Iterable[int]) -> dict[int, str]:
        ours = {one.crm_id: f"{key[0]} {key[1]}" for key, one in self.kept.items() if key[2] == crm_kind}
        others = {crm_id: owner for (kind, crm_id), owner in self.others.items() if kind == crm_kind}
        return {one: owner for one in crm_ids if (owner := {**ours, **others}.get(one))}

    def link(
        self,
        operation: Operation,
        crm_kind: str,
        crm_id: int,
        origin: str,
        *,
        acked_hash: bytes | None = None,
        last_sent: Mapping[str, Any] | None = None,
        **_: Any,
    ) -> None:
        if (crm_kind, crm_id) in self.others:
            raise AlreadyMappedError(crm_kind, crm_id)
        self.notes.append(("link", crm_kind, crm_id, origin))
        made = row(crm_id, origin=origin, acked_hash=acked_hash, last_sent=last_sent)
        self.kept[operation.source_kind, operation.source_id, crm_kind] = made

    def _change(self, row_id: int, **columns: Any) -> None:
        for key, one in self.kept.items():
            if one.id == row_id:
                self.kept[key] = replace(one, **columns)

    def ack(self, row_id: int, acked_hash: bytes | None, last_sent: Mapping[str, Any]) -> None:
        self.notes.append(("ack", row_id))
        self._change(row_id, acked_hash=acked_hash, last_sent=last_sent, pending_write=None)

    def attempt(self, one: MappingRow, base: Mapping[str, Any] | None, changes: Mapping[str, Any]) -> None:
        self.notes.append(("attempt", dict(changes)))
        self._change(one.id, last_sent=base, pending_write=changes)

    def set_state(self, row_id: int, state: MappingState) -> None:
        self.notes.append(("state", row_id, str(state)))
        self._change(row_id, state=state)

    def link_organization(self, _: BindingScope, name: str, crm_id: int, *, is_made: bool) -> str:
        self.notes.append(("company", name, crm_id))
        return "created" if is_made else "adopted"

    def seen_before(self, *_: Any) -> set[int]:
        return set()


@dataclass
class _Snapshot:
    with_key: list[int] = field(default_factory=list)
    """The persons that the lists showed with any key that is asked for."""

    def with_keys(self, _: Sequence[str]) -> list[int]:
        return self.with_key

    def record(self, _: Sequence[Person]) -> None:
        pass

    forget = record

    def refresh(self) -> int:
        return 0

    def anybody_has_an_email(self) -> bool:
        return True


class _Lineage:
    @contextmanager
    def linking(self, **_: Any) -> Iterator[None]:
        yield

    def shown(self, *_: Any) -> None:
        pass


class _Connection:
    """Takes statements and has no rows."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes

    def execute(self, query: str, parameters: Mapping[str, Any] | None = None) -> Any:
        self._notes.append(("execute", parameters))
        return self

    def fetchone(self) -> None:
        return None

    def fetchall(self) -> list[Any]:
        return []


class Bench:
    """What a sink works with, and what came of it."""

    def __init__(self, krayin: RunningKrayin, **settings: Any) -> None:
        self.krayin = krayin
        self.notes: Notes = []
        self.ledger = _Ledger(self.notes)
        self.store = _Store(self.notes)
        self.snapshot = _Snapshot()
        self.client = KrayinClient(
            f"{krayin.url}/api/v1", krayin.token, limiter=NoopLimiter(), on_call=self._called, retries=0
        )
        keys = {"name": "test", "chatwoot": {"account_id": 1}, **settings}
        self.settings = SyncSettings.model_validate(keys)
        self.catalogue = load_catalogue(self.client)
        self.notes.clear()

    def _called(self, call: ApiCall) -> None:
        if call.method != "GET":
            self.notes.append((call.method, call.route))

    @property
    def context(self) -> LoadContext:
        """The context to make a sink with."""
        attributes = CurrentAttributes(self.catalogue)
        lineage = cast("Lineage", _Lineage())
        return LoadContext(
            connection=cast("psycopg.Connection", _Connection(self.notes)),
            client=self.client,
            target_id=1,
            ledger=cast("Ledger", self.ledger),
            store=cast("MappingStore", self.store),
            reads=CrmReads(self.client, attributes, lineage=lineage),
            snapshot=cast("RecordSnapshot[Any]", self.snapshot),
            lineage=lineage,
            catalogue=self.catalogue,
            targets=resolve_targets(self.settings, self.catalogue),
            settings=self.settings,
        )

    def keep(self, source_kind: str, crm_kind: str, one: MappingRow) -> None:
        """Have a mapping row of source record 7."""
        self.store.kept[source_kind, "7", crm_kind] = one

    def kept(self, source_kind: str, crm_kind: str) -> MappingRow:
        """The mapping row of source record 7."""
        return self.store.kept[source_kind, "7", crm_kind]

    @property
    def calls(self) -> list[str]:
        """The writing calls that were made."""
        return [method for method, *_ in self.notes if method in {"POST", "PUT", "DELETE"}]
