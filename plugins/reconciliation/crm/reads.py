"""The records of a batch as Krayin shows them now, read in bulk and never older than a merge may use."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from krayin.catalogue import Attribute
from krayin.endpoints import ENTITY_TYPES, LOOKUP_ENTITY
from krayin.errors import FilterIgnored, KrayinError, is_outage

from reconciliation.crm.fields import RECORDS, lead_columns, organization_columns, person_columns
from reconciliation.model.field_source import CUSTOM_PREFIX
from reconciliation.model.merge import same_value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from krayin.catalogue import Catalogue
    from krayin.client import KrayinClient
    from krayin.endpoints import EntityType
    from krayin.records import Activity, Lead, Listed

    from reconciliation.crm.lineage import Lineage

OLDEST: Final = 60.0
"""Seconds. A write that leaves out a boolean attribute sets it to 0: one added meanwhile must be known."""

log = logging.getLogger(__name__)
# Seconds. A salesperson may edit a record between our reading and our writing; Krayin has no way to
# refuse a write that is based on an older state, so the gap is kept below fifteen. What is left of
# them beyond USABLE must cover waiting for a slot and the call itself.
USABLE = 11.0
_LEADS_OF = "leads of"


class CurrentAttributes:
    """The attributes of all kinds of records; `refresh` before records are read to be written over.

    `keep` is given the catalogue with attributes that were read anew. Without a client nothing is.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        client: KrayinClient | None = None,
        *,
        age: float = 0.0,
        keep: Callable[[Catalogue], None] = lambda _: None,
    ) -> None:
        """Begin with the attributes of `catalogue`, which are `age` seconds old."""
        self._catalogue = catalogue
        self._client = client
        self._keep = keep
        self._good_until = time.monotonic() + OLDEST - age

    @property
    def catalogue(self) -> Catalogue:
        """The catalogue with the attributes as they were read last."""
        return self._catalogue

    def expire(self) -> None:
        """Have the next `refresh` read them anew: those of an earlier run do not do."""
        self._good_until = float("-inf")

    def refresh(self) -> None:
        """Read the attributes unless they are fresh; one call."""
        if self._client is None or time.monotonic() < self._good_until:
            return
        self._catalogue = replace(self._catalogue, attributes=tuple(self._client.every(Attribute)))
        self._good_until = time.monotonic() + OLDEST
        self._keep(self._catalogue)

    def booleans(self, entity: EntityType) -> tuple[str, ...]:
        """Return the codes of the boolean attributes of an entity type, which every write must carry."""
        return self._catalogue.boolean_attributes(entity)

    def codes(self, entity: EntityType) -> tuple[str, ...]:
        """Return the codes of the custom attributes of an entity type."""
        return tuple(attribute.code for attribute in self._catalogue.custom_attributes(entity))

    def name_of(self, entity: EntityType, code: str) -> str | None:
        """Return the name by which Krayin shows an attribute, None where another one has it too."""
        names = {one.code: one.name for one in self._catalogue.attributes if one.entity_type == entity}
        name = names.get(code)
        return name if [*names.values()].count(name or "") == 1 else None

    @property
    def with_custom(self) -> tuple[EntityType, ...]:
        """The entity types that have custom attributes, which Krayin's lists do not show."""
        return tuple(entity for entity in ENTITY_TYPES.values() if self.codes(entity))


@dataclass(slots=True)
class CrmReads:
    """Krayin's present records by kind (`persons`, `leads`, `organizations`) and id.

    Krayin shows a record in two ways: the lists give its columns, `lookup-entity` the copies it
    keeps of them as attribute values, custom attributes and raw dates among them. Columns count;
    the copies fill in what the lists do not show, and are not there for records that were brought
    into Krayin's database past its own forms and API.

    `attributes` are brought up to date before records are read. `lineage` looks at every record that is
    read, before anything is made of it.
    """

    client: KrayinClient
    attributes: CurrentAttributes
    monotonic: Callable[[], float] = time.monotonic
    lineage: Lineage | None = None
    _read: dict[tuple[str, int], tuple[float, Any]] = field(default_factory=dict, init=False)
    """What was read when: records by entity type, and the leads of persons."""
    _expected: dict[EntityType, set[int]] = field(default_factory=dict, init=False)

    def prefetch(self, entity: EntityType, ids: Iterable[int]) -> None:
        """Read some records at once.

        Raises:
            FilterIgnored: a record is listed, and not found where its custom attributes are shown.
        """
        wanted = sorted(set(ids))
        if not wanted:
            return
        self.attributes.refresh()
        copies: dict[int, dict[str, Any]] = {}
        looks_up = entity == "leads" or entity in self.attributes.with_custom
        if looks_up:
            copies = {
                one: dict(raw.values) for one, raw in self.client.lookup_entities(entity, wanted).items()
            }
        crm_kind, columns = _COLUMNS[entity]
        records = self.listed(crm_kind, wanted)
        if looks_up and not copies.keys() >= records.keys():
            # A box that is not seen is not one that nobody ticked.
            raise FilterIgnored(**LOOKUP_ENTITY[entity].where())
        # Changing a single field of a lead leaves the copies of its title and description behind.
        found = {
            one: (copy := copies.get(one, {})) | columns(record, copy) for one, record in records.items()
        }
        now = self.monotonic()
        for one in wanted:
            self._read[entity, one] = now, found.get(one)

    def _look(self, crm_kind: str, asked: Sequence[int], records: Sequence[Listed]) -> None:
        if self.lineage is not None:
            self.lineage.shown(crm_kind, asked, records)

    def listed(self, crm_kind: str, ids: Iterable[int], beside: Iterable[int] = ()) -> dict[int, Any]:
        """Return records by id as Krayin's lists show them, with those of `beside`; no call without ids."""
        wanted = set(ids)
        if not wanted:
            return {}
        records = self.client.by_ids(RECORDS[crm_kind], wanted.union(beside))
        self._look(crm_kind, sorted(wanted), records)
        return {record.id: record for record in records}

    def expect(self, entity: EntityType, ids: Iterable[int]) -> None:
        """Read some records at once when the first of them is asked for, and not before.

        What needs no such record, a person's change say, need not wait for that call.
        """
        self._expected.setdefault(entity, set()).update(ids)

    def prefetch_leads_of(self, person_ids: Iterable[int]) -> None:
        """Read the leads of some persons at once."""
        wanted = sorted(set(person_ids))
        if not wanted:
            return
        leads = self.client.leads_of_persons(wanted)
        self._look("lead", (), leads)
        now = self.monotonic()
        for one in wanted:
            self._read[_LEADS_OF, one] = now, [lead for lead in leads if lead.person_id == one]

    def entity(self, entity: EntityType, crm_id: int) -> Mapping[str, Any] | None:
        """Return a record as stored, None when Krayin does not have it; read anew unless it is fresh."""
        found: Mapping[str, Any] | None = self._fresh((entity, crm_id), partial(self._fetch, entity, crm_id))
        return found

    def _fetch(self, entity: EntityType, crm_id: int) -> None:
        expected = self._expected.pop(entity, set())
        if expected > {crm_id}:
            try:
                self.prefetch(entity, expected)
            except KrayinError as error:
                if is_outage(error):
                    raise
                # What one odd record spoils is read one by one.
                log.warning("Reading ahead failed: %s", error)
            else:
                return
        self.prefetch(entity, [crm_id])

    def leads_of(self, person_id: int) -> list[Lead]:
        """Return the leads of a person; read anew unless they are fresh."""
        found: list[Lead] = self._fresh((_LEADS_OF, person_id), partial(self.prefetch_leads_of, [person_id]))
        return found

    def edited_at(self, entity: EntityType, crm_id: int, field: str, value: Any) -> datetime | None:
        """Return when a field of a person or lead got the value that it has, None where that is not noted.

        Krayin notes changes under the attribute's name, as activities of its own.
        """
        name = self.attributes.name_of(entity, field.removeprefix(CUSTOM_PREFIX))
        key = f"changes of {entity}", crm_id
        noted: list[Activity] = self._fresh(key, partial(self._read_changes, *key, entity.removesuffix("s")))
        changes = [one for one in noted if name is not None and one.additional.get("attribute") == name]
        latest = changes[-1] if changes else None
        new = None if latest is None else latest.additional.get("new")
        is_value = isinstance(new, Mapping) and same_value(field, new.get("value"), value)
        return latest.created_at if latest is not None and is_value else None

    def _read_changes(self, key: str, crm_id: int, crm_kind: str) -> None:
        noted = [one for one in self.client.activities_of(crm_kind, crm_id) if one.type == "system"]
        self._read[key, crm_id] = self.monotonic(), noted

    def _fresh(self, key: tuple[str, int], read: Callable[[], None]) -> Any:
        if key not in self._read or self.monotonic() - self._read[key][0] > USABLE:
            read()
        return self._read[key][1]

    def forget(self) -> None:
        """Forget everything read; for the start of a batch."""
        self._read.clear()
        self._expected.clear()

    def written(self, entity: EntityType, crm_id: int) -> None:
        """Forget a record that was just written."""
        self._read.pop((entity, crm_id), None)


_COLUMNS: dict[EntityType, tuple[str, Callable[[Any, Mapping[str, Any]], dict[str, Any]]]] = {
    "persons": ("person", lambda person, _: person_columns(person)),
    "leads": ("lead", lead_columns),
    "organizations": ("organization", lambda organization, _: organization_columns(organization)),
}
