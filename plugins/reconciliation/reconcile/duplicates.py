"""Records of ours that Krayin has more than once, as findings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from statements import statement

from reconciliation.crm.listings import ACTIVITY, LEAD, PERSON
from reconciliation.reconcile.finding import Finding, FindingClass, Side

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    import psycopg

    from reconciliation.binding_scope import BindingScope

CHUNK = 1000
_REPAIR = {
    PERSON: "none: merge the persons in Krayin, or correct the one that is wrong",
    LEAD: "none: close or delete the lead that is too many",
    ACTIVITY: "none: delete the activity that is too many",
}


@dataclass(slots=True)
class _Duplicate:
    """A record that stands beside one of ours: what they share, and which of ours those are."""

    facts: Mapping[str, Any]
    source: tuple[str, str]
    by: set[str] = field(default_factory=set)
    beside: set[int] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Duplicates:
    """Looks for records that stand beside one of ours.

    Persons are duplicates by an e-mail or phone in compared form, activities by our mark. Of the leads
    of one person only open ones in the sync's pipeline count that are no contact's, now or formerly.
    """

    connection: psycopg.Connection
    identity: BindingScope
    pipeline_id: int
    final_stages: Collection[int]

    def findings(self, kinds: Collection[str]) -> Iterator[Finding]:
        """Yield a finding for every such record of some kinds."""
        for kind in (PERSON, LEAD, ACTIVITY):
            if kind not in kinds:
                continue
            for crm_id, twin in sorted(self._duplicates_of(kind).items()):
                source_kind, source_id = twin.source
                yield Finding(
                    FindingClass.DUPLICATE,
                    _REPAIR[kind],
                    source_kind=source_kind,
                    source_id=source_id,
                    contact_id=int(source_id) if source_kind == "contact" else None,
                    crm_kind=kind,
                    crm_id=crm_id,
                    side=Side.THEIRS,
                    detail={"same": sorted(twin.by), "candidates": sorted({*twin.beside, crm_id})},
                )

    def _duplicates_of(self, kind: str) -> dict[int, _Duplicate]:
        scope = {**self.identity.parameters(), "crm_kind": kind}
        keys = [row[0] for row in self.connection.execute(statement("crm_snapshot/shared_keys"), scope)]
        found: dict[int, _Duplicate] = {}
        for first in range(0, len(keys), CHUNK):
            rows = self.connection.execute(
                statement("crm_snapshot/duplicates"), {**scope, "keys": keys[first : first + CHUNK]}
            )
            together: dict[str, list[Sequence[Any]]] = {}
            for row in rows:
                together.setdefault(row[0], []).append(row)
            for key, records in together.items():
                self._note(kind, key, records, found)
        return self._of_nobody(kind, found)

    def _note(
        self, kind: str, key: str, records: Sequence[Sequence[Any]], found: dict[int, _Duplicate]
    ) -> None:
        ours = [
            (crm_id, (source_kind, source_id))
            for _, crm_id, _, source_kind, source_id in records
            if source_kind
        ]
        if not ours:
            return
        # Of several of ours the first is the one that the others stand beside.
        own, source = ours[0]
        for _, crm_id, facts, *_ in records:
            if crm_id != own and (kind != LEAD or self._is_open(facts)):
                twin = found.setdefault(crm_id, _Duplicate(facts, source))
                twin.by.add(key.partition(":")[0])
                twin.beside.add(own)

    def _is_open(self, facts: Mapping[str, Any]) -> bool:
        return facts.get("pipeline_id") == self.pipeline_id and facts.get("stage_id") not in self.final_stages

    def _of_nobody(self, kind: str, found: dict[int, _Duplicate]) -> dict[int, _Duplicate]:
        if kind != LEAD or not found:
            return found
        owned = self.connection.execute(
            statement("mapping/mapped_to"),
            {"target_id": self.identity.target_id, "crm_kind": kind, "crm_ids": list(found)},
        )
        elsewhere = {row[0] for row in owned}
        return {crm_id: twin for crm_id, twin in found.items() if crm_id not in elsewhere}
