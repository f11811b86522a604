"""The records of a batch as Krayin shows them now, read in bulk and never older than a merge may use."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from krayin.client import EntityType, KrayinClient
    from krayin.records import Lead

# Seconds. A person may edit the record between our reading and our writing; Krayin has no way to
# refuse a write that is based on an older state, so the gap is kept short.
FRESH = 15.0
# What is left of it must cover waiting for a slot and the call itself.
USABLE = 11.0


class CrmReads:
    """Krayin's present records by kind (`persons`, `leads`, `organizations`) and id."""

    def __init__(self, client: KrayinClient, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Read through `client`."""
        self._client = client
        self._monotonic = monotonic
        self._entities: dict[tuple[str, int], tuple[float, Mapping[str, Any] | None]] = {}
        self._leads: dict[int, tuple[float, list[Lead]]] = {}

    def prefetch(self, entity: EntityType, ids: Iterable[int]) -> None:
        """Read some records at once; forget what was read of this kind before."""
        wanted = sorted(set(ids))
        if not wanted:
            return
        found = self._client.lookup_entities(entity, wanted)
        now = self._monotonic()
        for one in wanted:
            self._entities[entity, one] = now, found[one].values if one in found else None

    def prefetch_leads_of(self, person_ids: Iterable[int]) -> None:
        """Read the leads of some persons at once."""
        wanted = sorted(set(person_ids))
        if not wanted:
            return
        leads = self._client.leads_of_persons(wanted)
        now = self._monotonic()
        for one in wanted:
            self._leads[one] = now, [lead for lead in leads if lead.person_id == one]

    def entity(self, entity: EntityType, crm_id: int) -> Mapping[str, Any] | None:
        """Return a record as stored, None when Krayin does not have it; read anew unless it is fresh."""
        read = self._entities.get((entity, crm_id))
        if read is None or self._monotonic() - read[0] > USABLE:
            self.prefetch(entity, [crm_id])
            read = self._entities[entity, crm_id]
        return read[1]

    def leads_of(self, person_id: int) -> list[Lead]:
        """Return the leads of a person; read anew unless they are fresh."""
        read = self._leads.get(person_id)
        if read is None or self._monotonic() - read[0] > USABLE:
            self.prefetch_leads_of([person_id])
            read = self._leads[person_id]
        return read[1]

    def forget(self) -> None:
        """Forget everything read; for the start of a batch."""
        self._entities.clear()
        self._leads.clear()

    def written(self, entity: EntityType, crm_id: int) -> None:
        """Forget a record that was just written."""
        self._entities.pop((entity, crm_id), None)
