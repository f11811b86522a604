"""What a plan reads of Krayin beyond the snapshot, many records a call, to say what will be done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from krayin.folding import fold_name
from krayin.records import Lead

from reconciliation.crm.attributes import CurrentAttributes
from reconciliation.crm.fields import lead_fields, organization_fields, person_fields
from reconciliation.crm.reads import CrmReads

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from krayin.catalogue import Catalogue
    from krayin.client import EntityType, KrayinClient


class PlanReads:
    """Krayin's present records for planning.

    The leads of persons about to be adopted are read for every plan, a hundred persons a call:
    whether each gets a new lead or has one is most of the cost. Only a plan that is not carried out
    (`exact`) reads the records to be updated as well; carrying it out reads them anyway, so that
    for a real run what was last sent is near enough.
    """

    def __init__(self, client: KrayinClient, catalogue: Catalogue, *, exact: bool) -> None:
        """Read through `client`."""
        self._client = client
        self._catalogue = catalogue
        # A plan does not write: what it read does not grow old.
        self._attributes = CurrentAttributes(catalogue)
        self._reads = CrmReads(client, self._attributes, monotonic=lambda: 0.0)
        self.exact = exact

    def leads_of(self, person_ids: Iterable[int]) -> dict[int, list[Lead]]:
        """Return the leads of some persons by person."""
        wanted = sorted(set(person_ids))
        if not wanted:
            return {}
        self._reads.prefetch_leads_of(wanted)
        return {one: self._reads.leads_of(one) for one in wanted}

    def closed(self, ids: Iterable[int]) -> dict[int, datetime]:
        """Return when the won and lost ones among some leads were closed."""
        wanted = sorted(set(ids))
        closed = {}
        for lead in self._client.by_ids(Lead, wanted):
            # Closing many leads at once does not note when.
            when = lead.closed_at or lead.updated_at
            if lead.stage_id is not None and self._catalogue.is_final_stage(lead.stage_id) and when:
                closed[lead.id] = when
        return closed

    def persons(self, ids: Iterable[int]) -> dict[int, Mapping[str, Any]]:
        """Return the flat fields of some persons, of none unless `exact`; missing ones are absent."""
        codes = self._attributes.codes("persons")
        return {one: person_fields(row, codes) for one, row in self._read("persons", ids)}

    def leads(self, ids: Iterable[int]) -> dict[int, Mapping[str, Any]]:
        """Return the flat fields of some leads, of none unless `exact`; missing ones are absent."""
        return {
            one: lead_fields(row, self._attributes.codes("leads")) for one, row in self._read("leads", ids)
        }

    def organizations(self, names: Mapping[str, str]) -> dict[str, Mapping[str, Any]]:
        """Return the flat fields of organizations by folded name, of none unless `exact`.

        `names` gives the name for each folded one.
        """
        if not self.exact or not names:
            return {}
        found = self._client.organizations_by_names(list(names.values()))
        ids = {fold_name(one.name): one.id for one in found}
        rows = dict(self._read("organizations", ids.values()))
        codes = self._attributes.codes("organizations")
        return {name: organization_fields(rows[one], codes) for name, one in ids.items() if one in rows}

    def _read(self, entity: EntityType, ids: Iterable[int]) -> Sequence[tuple[int, Mapping[str, Any]]]:
        wanted = sorted(set(ids)) if self.exact else []
        self._reads.prefetch(entity, wanted)
        rows = ((one, self._reads.entity(entity, one)) for one in wanted)
        return [(one, row) for one, row in rows if row is not None]
