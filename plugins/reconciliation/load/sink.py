"""What all sinks share: how one operation is carried out, from its intent to its outcome."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from krayin.errors import Rejected

from reconciliation.load.outcome import quarantined
from reconciliation.model.field_source import CUSTOM_PREFIX
from reconciliation.model.merge import as_sent, flatten, is_newer, merge, resolve_pending_write
from reconciliation.model.stages import ServerClock
from reconciliation.model.timing import DEFAULT, Timing
from reconciliation.store.ledger import OperationState, Outcome
from reconciliation.store.mapping_row import MappingRow, MappingState
from reconciliation.store.mapping_store import AlreadyMappedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager

    import psycopg
    from krayin.catalogue import Catalogue
    from krayin.client import KrayinClient
    from krayin.endpoints import EntityType
    from krayin.payloads import Payload
    from krayin.records import Listed, Person

    from reconciliation.crm.lineage import Lineage
    from reconciliation.crm.reads import CrmReads
    from reconciliation.crm.snapshot import RecordSnapshot
    from reconciliation.model.desired_contact import Fields
    from reconciliation.model.merge import Merged, Policies
    from reconciliation.settings.sync_settings import SyncSettings
    from reconciliation.settings.targets import LeadTargets
    from reconciliation.store.ledger import Ledger, Operation
    from reconciliation.store.mapping_store import MappingStore

log = logging.getLogger(__name__)
Note: TypeAlias = "Callable[[], object]"
"""Writes to the sync database, in a transaction that is open."""


def nothing() -> None:
    """Write nothing."""


@dataclass(eq=False)
class LoadContext:
    """What the sinks of one loader work with; `targets` are where new leads go."""

    connection: psycopg.Connection
    client: KrayinClient
    target_id: int
    ledger: Ledger
    store: MappingStore
    reads: CrmReads
    snapshot: RecordSnapshot[Person]
    lineage: Lineage
    catalogue: Catalogue
    targets: LeadTargets
    settings: SyncSettings
    timing: Timing = DEFAULT
    clock: ServerClock = field(default_factory=ServerClock)


class Stop(Exception):  # noqa: N818 - carries an outcome through, nothing went wrong in this code
    """The operation ends here, as `outcome` says."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome
        super().__init__(str(outcome.state))


@dataclass(slots=True)
class Work:
    """One operation while it is carried out: the mapping `rows` by CRM kind, and the `result` so far."""

    operation: Operation
    rows: dict[str, MappingRow]
    result: dict[str, str] = field(default_factory=dict, kw_only=True)

    def row(self, crm_kind: str) -> MappingRow | None:
        """Return the mapping of a record that is linked."""
        row = self.rows.get(crm_kind)
        return row if row is not None and row.state is MappingState.LINKED else None

    def is_gone(self, crm_kind: str) -> bool:
        """Tell whether the record was deleted in Krayin."""
        row = self.rows.get(crm_kind)
        return row is not None and row.state is MappingState.GONE


class Steps(LoadContext):
    """The steps of which all sinks are made."""

    def __init__(self, context: LoadContext) -> None:
        super().__init__(**vars(context))

    def rows(self, operation: Operation, source_kind: str | None = None) -> dict[str, MappingRow]:
        """Return the mapping rows by CRM kind of what an operation is about, or of the same id of a kind."""
        kind = source_kind or operation.source_kind
        return self.store.rows_of(operation.identity, kind, operation.source_id)

    def intent(self, operation: Operation, step: str, note: Note = nothing) -> AbstractContextManager[None]:
        """Return a context whose writing call is intended first, together with what `note` writes."""

        def intend() -> None:
            with self.ledger.transaction():
                self.ledger.intend(operation, step)
                note()

        return self.client.operation(operation.id, before_write=intend)

    def link(self, work: Work, crm_kind: str, crm_id: int, origin: str, **written: Any) -> None:
        """Note which record the source record is, and what was `written` to it, if anything.

        Raises:
            AlreadyMappedError: the record belongs to another source record.
        """
        with self.ledger.transaction():
            self.ledger.progress(work.operation, f"{crm_kind}:linked")
            self.store.link(work.operation, crm_kind, crm_id, origin, **written)
        work.rows = self.rows(work.operation)

    def link_made(  # noqa: PLR0913, PLR0917 - one record, and how it was made
        self,
        work: Work,
        crm_kind: str,
        record: Listed,
        last_sent: Mapping[str, Any],
        acked: bytes | None,
        made_in_stage: int | None = None,
    ) -> None:
        """Note that the source record is the one that was made just now, of which `last_sent` was sent."""
        written = {
            "acked_hash": acked,
            "last_sent": last_sent,
            "crm_created_at": record.created_at,
            "made_in_stage": made_in_stage,
        }
        self.link(work, crm_kind, record.id, "created", **written)

    def sent(self, operation: Operation, crm_kind: str, fields: Fields) -> dict[str, Any]:
        """Return what is remembered of a record that is made with some fields, flat."""
        flat = flatten(fields)
        return {**flat, **as_sent(flat, self.settings.policies(crm_kind), operation.source_read_at)}

    def acknowledge(  # noqa: PLR0913, PLR0917 - one row, and what stands with it
        self,
        operation: Operation,
        step: str,
        row: MappingRow,
        acked_hash: bytes | None,
        last_sent: Mapping[str, Any],
        note: Note = nothing,
    ) -> None:
        """Record what Krayin has of a linked record now, together with what `note` writes."""
        with self.ledger.transaction():
            self.ledger.progress(operation, f"{step}:done")
            self.store.ack(row.id, acked_hash, last_sent)
            note()

    def lost(self, work: Work, row: MappingRow, step: str | None = None) -> None:
        """Note that a record was deleted in Krayin; where it is to be made again, `step` begins that.

        Raises:
            Stop: it is made again.
        """
        self.store.set_state(row.id, MappingState.GONE)
        if self.settings.recreate_deleted:
            raise Stop(Outcome(OperationState.PLANNED, step=step, result=work.result))


class Sink(Steps, ABC):
    """Carries out the operations on one kind of source record, as the loader gives them out."""

    TAKEN: ClassVar[str] = "compare the two"
    """What to do when a Krayin record belongs to another source record already."""

    @abstractmethod
    def prefetch(self, operations: Sequence[Operation]) -> None:
        """Read in bulk what the operations will be merged against."""

    @abstractmethod
    def carry_out(self, operation: Operation) -> Mapping[str, str]:
        """Carry out one operation and return what became of each record, by CRM kind.

        Raises:
            Stop: the operation ends otherwise than done.
            AlreadyMappedError: a record belongs to another source record.
            KrayinError: a call failed; the loader decides how to go on.
            LeaseLostError: the operation passed to another worker.
        """

    def write(self, operation: Operation) -> Outcome:
        """Carry out one operation and return how it ended; what Krayin accepted is already recorded.

        Raises:
            KrayinError: a call failed; the loader decides how to go on.
            LeaseLostError: the operation passed to another worker.
        """
        try:
            return Outcome(OperationState.DONE, result=self.carry_out(operation))
        except Stop as stop:
            return stop.outcome
        except AlreadyMappedError as taken:
            kind, crm_id = taken.crm_kind, taken.crm_id
            owners = self.store.owners(operation.identity.target_id, kind, [crm_id])
            owner = owners.get(crm_id, "another record")
            return quarantined(
                f"{kind}_taken",
                f"Krayin {kind} {crm_id} already belongs to {owner}: {self.TAKEN}, then try again",
                candidates=({kind: crm_id, "belongs_to": owner},),
            )


class RecordSteps(Steps):
    """The steps of a sink whose record is merged field by field with what Krayin shows of it."""

    crm_kind: ClassVar[str]
    entity: ClassVar[EntityType]

    payload: Callable[[Mapping[str, Any], Merged, Sequence[str]], Payload]
    """Gives what to write, from the record as stored, the merge and the boolean attributes."""
    put: Callable[[int, Any], Any]
    """Writes that to the record with an id."""

    @property
    def booleans(self) -> tuple[str, ...]:
        """The codes of boolean attributes, which every write must carry."""
        return self.reads.attributes.booleans(self.entity)

    @property
    def policies(self) -> Policies:
        """Whose value counts, by flat field, where the settings say it."""
        return self.settings.policies(self.crm_kind)

    @property
    def custom(self) -> tuple[str, ...]:
        """The codes of custom attributes."""
        return self.reads.attributes.codes(self.entity)

    def overwrite(  # noqa: PLR0913, PLR0917 - one record in all its forms
        self,
        operation: Operation,
        row: MappingRow,
        stored: Mapping[str, Any],
        present: Mapping[str, Any],
        desired: Mapping[str, Any],
        step: str | None = None,
    ) -> tuple[Merged, Any]:
        """Merge `desired` with what Krayin shows and write what differs, noted before with the intent.

        Return the merge and Krayin's answer, None when there was nothing to write.

        Raises:
            OperationHeldError: a person has to be asked before something is overwritten.
        """
        assert row.crm_id is not None
        region = self.settings.default_phone_region
        base, shown = resolve_pending_write(
            last_sent=row.last_sent,
            pending_write=row.pending_write,
            present=present,
            desired=desired,
            phone_region=region,
        )
        merged = merge(
            last_sent=base,
            present=shown,
            desired=desired,
            on_crm_edit=self.settings.on_crm_edit,
            phone_region=region,
            policies=self.policies,
            newer=partial(self._is_newer, operation, row.crm_id, base or {}, shown),
            seen_at=operation.source_read_at,
        )
        if not merged.changed:
            return merged, None
        self.ledger.allow(operation, merged.overwriting(self.crm_kind))
        update = self.payload(stored, merged, self.booleans)
        changes = {name: merged.last_sent[name] for name in merged.changed}
        note = partial(self.store.attempt, row, base, changes)
        try:
            with self.intent(operation, step or f"update_{self.crm_kind}", note):
                answer = self.put(row.crm_id, update)
        except Rejected as refusal:
            refused = {f"{CUSTOM_PREFIX}{name}" for name in refusal.fields}
            if not refused or not refused <= {*merged.changed}:
                raise
            _log_refused(operation, refusal)
            left = {name: value for name, value in desired.items() if name not in refused}
            return self.overwrite(operation, row, stored, present, left, step)
        self.reads.written(self.entity, row.crm_id)
        return merged, answer

    def _is_newer(
        self,
        operation: Operation,
        crm_id: int,
        last_sent: Mapping[str, Any],
        present: Mapping[str, Any],
        name: str,
    ) -> bool | None:
        """Tell whether Chatwoot's change of a field is later than Krayin's; None where that is not known.

        Krayin is asked: it notes changes of fields.
        """
        edited_at = self.reads.edited_at(self.entity, crm_id, name, present.get(name))
        return is_newer(name, last_sent, operation.source_changed_at, edited_at)

    def updated(
        self, work: Work, row: MappingRow, merged: Merged, acked_hash: bytes, note: Note = nothing
    ) -> None:
        """Acknowledge what was merged, together with what `note` writes."""
        step = f"update_{self.crm_kind}"
        self.acknowledge(work.operation, step, row, acked_hash, merged.last_sent, note)
        work.result.setdefault(self.crm_kind, "updated" if merged.changed else "already_equal")


def without_refused(
    operation: Operation, refusal: Rejected, records: Mapping[str, Fields]
) -> dict[str, Fields] | None:
    """Return the fields to make records with, but for the custom attributes that Krayin refused.

    One refusable field never keeps a record out. `records` are by what the names in Krayin's answer begin
    with. None where it refused something else.
    """
    sent = {f"{prefix}{code}" for prefix, fields in records.items() for code in fields.get("custom") or {}}
    if not refusal.fields or not refusal.fields.keys() <= sent:
        return None
    _log_refused(operation, refusal)
    left = {}
    for prefix, fields in records.items():
        custom = fields.get("custom") or {}
        taken = {code: custom[code] for code in custom if f"{prefix}{code}" not in refusal.fields}
        left[prefix] = {**fields, "custom": taken}
    return left


def _log_refused(operation: Operation, refusal: Rejected) -> None:
    log.warning("%s: Krayin refused %s, left out", operation, ", ".join(sorted(refusal.fields)))
