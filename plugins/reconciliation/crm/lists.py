"""Reads Krayin's lists for a comparison: what changed, or everything; and tells what was deleted there."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from krayin.endpoints import ENTITY_TYPES
from statements import statement

from reconciliation.crm.fields import ACTIVITIES, LEADS, ORGANIZATIONS, RECORDS, custom_fields, persons
from reconciliation.crm.snapshot import RecordSnapshot

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import psycopg
    from krayin.catalogue import Catalogue
    from krayin.client import KrayinClient

    from reconciliation.crm.fields import Listing
    from reconciliation.settings.sync_settings import SyncSettings
    from reconciliation.store.binding_scope import BindingScope

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CrmLists:
    """The lists of the kinds of records that a sync writes."""

    connection: psycopg.Connection
    client: KrayinClient
    identity: BindingScope
    listings: Sequence[Listing[Any]]

    @classmethod
    def of(
        cls,
        settings: SyncSettings,
        connection: psycopg.Connection,
        client: KrayinClient,
        identity: BindingScope,
    ) -> CrmLists:
        """Return the lists that concern a sync with these settings."""
        wanted: list[Listing[Any]] = [persons(settings.default_phone_region), LEADS]
        if settings.sync_to_organization:
            wanted.append(ORGANIZATIONS)
        if settings.sync_conversations or settings.sync_messages or settings.transcript:
            wanted.append(ACTIVITIES)
        return cls(connection, client, identity, wanted)

    @property
    def kinds(self) -> list[str]:
        """The kinds of records that are read."""
        return [listing.crm_kind for listing in self.listings]

    def refresh(self) -> dict[str, int]:
        """Read what changed since the last reading, of each list; return how many records that were."""
        return {listing.crm_kind: self._snapshot(listing).refresh() for listing in self.listings}

    def read_fully(self) -> dict[str, int]:
        """Read all lists whole and return by kind how many of ours are not there any more.

        A record that the list did not show is asked for by its id before it counts as deleted: rows
        move between pages while somebody deletes others.
        """
        deleted: dict[str, int] = {}
        for listing in self.listings:
            began = self._snapshot(listing).read_fully()
            scope = {"crm_kind": listing.crm_kind, "began": began}
            unseen = self.connection.execute(
                statement("mapping/unseen"), {**self.identity.parameters(), **scope}
            )
            deleted[listing.crm_kind] = self.missing(listing.crm_kind, (row[0] for row in unseen))
            self.connection.execute(
                statement("crm_snapshot/forget_record"), {"target_id": self.identity.target_id, **scope}
            )
        return deleted

    def missing(self, crm_kind: str, crm_ids: Iterable[int]) -> int:
        """Read records of ours by their ids; note those that are gone and return how many that are."""
        wanted = sorted(set(crm_ids))
        listing = next((one for one in self.listings if one.crm_kind == crm_kind), None)
        if listing is None or not wanted:
            return 0
        there = self.client.by_ids(RECORDS[crm_kind], wanted)
        snapshot = self._snapshot(listing)
        snapshot.record(there)
        gone = sorted(set(wanted) - {record.id for record in there})
        if not gone:
            return 0
        deleted = self.connection.execute(
            statement("mapping/deleted"),
            {**self.identity.parameters(), "crm_kind": crm_kind, "crm_ids": gone},
        )
        snapshot.forget(gone)
        return deleted.rowcount

    def custom(self, catalogue: Catalogue, kind: str, crm_ids: Sequence[int]) -> dict[int, dict[str, Any]]:
        """Return the custom fields of some records by id, as `custom.<code>`: the lists do not show them."""
        entity = ENTITY_TYPES[kind]
        codes = [attribute.code for attribute in catalogue.custom_attributes(entity)]
        return {
            crm_id: custom_fields(raw.values, codes)
            for crm_id, raw in self.client.lookup_entities(entity, crm_ids).items()
        }

    def _snapshot(self, listing: Listing[Any]) -> RecordSnapshot[Any]:
        return RecordSnapshot(self.connection, self.client, self.identity.target_id, listing)
