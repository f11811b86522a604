"""Records that stand beside one of ours: Krayin has it more than once."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from reconciliation.crm.fields import ACTIVITY, LEAD, PERSON
from reconciliation.drift.finding import Finding, FindingClass, Side
from reconciliation.model.desired_contact import contact_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from reconciliation.drift.context import Drift

CHUNK = 1000
_REPAIR = {
    PERSON: "none: merge the persons in Krayin, or correct the one that is wrong",
    LEAD: "none: close or delete the lead that is too many",
    ACTIVITY: "none: delete the activity that is too many",
}


@dataclass(slots=True)
class _Duplicate:
    """A record that stands beside one of ours: what they share, and which of ours those are.

    `ours` is what Krayin shows of ours.
    """

    facts: Mapping[str, Any]
    ours: Mapping[str, Any]
    source: tuple[str, str]
    by: set[str] = field(default_factory=set)
    beside: set[int] = field(default_factory=set)


def duplicates(drift: Drift, kinds: Collection[str], final_stages: Collection[int]) -> Iterator[Finding]:
    """Yield a finding for every record of some kinds that stands beside one of ours.

    Persons are duplicates by an e-mail or phone in compared form, activities by our mark. Of the leads
    of one person only open ones in the pipeline of ours count that are no contact's, now or formerly.
    """

    def is_open(lead: _Duplicate) -> bool:
        in_pipeline = lead.facts.get("pipeline_id") == lead.ours.get("pipeline_id")
        return in_pipeline and lead.facts.get("stage_id") not in final_stages

    for kind in (PERSON, LEAD, ACTIVITY):
        if kind not in kinds:
            continue
        found = _beside_ours(drift, kind)
        if kind == LEAD:
            found = _of_nobody(drift, {one: lead for one, lead in found.items() if is_open(lead)})
        for crm_id, duplicate in sorted(found.items()):
            source_kind, source_id = duplicate.source
            yield Finding(
                FindingClass.DUPLICATE,
                _REPAIR[kind],
                source_kind=source_kind,
                source_id=source_id,
                contact_id=contact_of(source_id) if source_kind in {"contact", LEAD} else None,
                crm_kind=kind,
                crm_id=crm_id,
                side=Side.THEIRS,
                detail={"same": sorted(duplicate.by), "candidates": sorted({*duplicate.beside, crm_id})},
            )


def _beside_ours(drift: Drift, kind: str) -> dict[int, _Duplicate]:
    keys = [row[0] for row in drift.execute("crm_snapshot/shared_keys", crm_kind=kind)]
    found: dict[int, _Duplicate] = {}
    for first in range(0, len(keys), CHUNK):
        rows = drift.rows("crm_snapshot/duplicates", crm_kind=kind, keys=keys[first : first + CHUNK])
        for key, same in groupby(rows, itemgetter("key")):
            records = list(same)
            # Of several of ours the first is the one that the others stand beside.
            own = next((row for row in records if row["source_kind"]), None)
            for row in records:
                if own is not None and row["crm_id"] != own["crm_id"]:
                    source = own["source_kind"], own["source_id"]
                    beside = _Duplicate(row["facts"], own["facts"], source)
                    duplicate = found.setdefault(row["crm_id"], beside)
                    duplicate.by.add(key.partition(":")[0])
                    duplicate.beside.add(own["crm_id"])
    return found


def _of_nobody(drift: Drift, found: dict[int, _Duplicate]) -> dict[int, _Duplicate]:
    owned = {row[0] for row in drift.execute("mapping/mapped_to", crm_kind=LEAD, crm_ids=list(found))}
    return {crm_id: duplicate for crm_id, duplicate in found.items() if crm_id not in owned}
