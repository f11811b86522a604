"""What the planning of repairs knows of the records to be repaired: what the comparison has just seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reconciliation.crm.fields import ADDRESS_PREFIX, lead_fields, listed_person, organization_fields
from reconciliation.plan.present_records import PlanReads

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from reconciliation.drift.context import CustomFields, Drift


class SeenReads(PlanReads):
    """A plan's reads that ask Krayin for nothing which the comparison has seen already.

    What was last sent does not do where somebody edited Krayin: a repair that overwrites would seem to
    change nothing, and pass the guard. `custom` are the fields that the lists do not show, where they
    were read; others count as they were sent.
    """

    def __init__(self, drift: Drift, custom: CustomFields) -> None:
        """Look into the sync database of `drift`."""
        krayin = drift.parts.krayin
        super().__init__(krayin.client, krayin.catalogue, exact=False)
        self._drift = drift
        self._custom = custom

    def persons(self, ids: Iterable[int]) -> dict[int, Mapping[str, Any]]:
        """Return the flat fields of those among some persons that are ours."""
        return {
            crm_id: {**sent, **listed_person(facts), **self._custom.get(("person", crm_id), {})}
            for crm_id, _, sent, facts in self._seen("person", crm_ids=sorted(set(ids)))
        }

    def leads(self, ids: Iterable[int]) -> dict[int, Mapping[str, Any]]:
        """Return the flat fields of those among some leads that are ours."""
        return {
            crm_id: {**sent, **lead_fields(facts), **self._custom.get(("lead", crm_id), {})}
            for crm_id, _, sent, facts in self._seen("lead", crm_ids=sorted(set(ids)))
        }

    def organizations(self, names: Mapping[str, str]) -> dict[str, Mapping[str, Any]]:
        """Return the flat fields of the organizations that we know for some folded names."""
        return {
            folded_name: {
                # A line that an emptied form does not have any more is blank.
                **{name: None if name.startswith(ADDRESS_PREFIX) else value for name, value in sent.items()},
                **organization_fields(facts),
                **self._custom.get(("organization", crm_id), {}),
            }
            for crm_id, folded_name, sent, facts in self._seen("organization", source_ids=sorted(names))
        }

    def _seen(
        self, kind: str, *, crm_ids: list[int] | None = None, source_ids: list[str] | None = None
    ) -> Iterator[tuple[int, str, Mapping[str, Any], Mapping[str, Any]]]:
        if not crm_ids and not source_ids:
            return
        wanted = {"crm_kind": kind, "crm_ids": crm_ids, "source_ids": source_ids}
        for crm_id, source_id, sent, facts in self._drift.execute("mapping/seen_records", **wanted):
            yield crm_id, source_id, sent or {}, facts
