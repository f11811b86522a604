"""Looks at Krayin's records for what was edited or deleted there, without asking Chatwoot."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from psycopg.rows import dict_row
from statements import statement

from reconciliation.crm.fields import lead_fields, listed_person
from reconciliation.mapping.desired_activity import CONVERSATION, MESSAGE
from reconciliation.mapping.merge import CUSTOM_PREFIX
from reconciliation.reconcile.contact_comparison import CHUNK
from reconciliation.reconcile.record_comparison import activity_differences, edited

if TYPE_CHECKING:
    from collections.abc import Mapping

    import psycopg
    from krayin.catalogue import Catalogue

    from reconciliation.binding_scope import BindingScope
    from reconciliation.crm.lists import CrmLists
    from reconciliation.reconcile.request import Depth
    from reconciliation.settings.sync_settings import SyncSettings

log = logging.getLogger(__name__)

# Ids for which custom fields are read at once.
CUSTOM_CHUNK = 25
SOURCES_OF_ACTIVITIES = (CONVERSATION, MESSAGE)


@dataclass(slots=True)
class Edits:
    """What a look at Krayin's records showed to differ from what was sent."""

    contacts: set[int] = field(default_factory=set)
    activities: list[Mapping[str, Any]] = field(default_factory=list)
    companies: list[Mapping[str, Any]] = field(default_factory=list)


@dataclass(slots=True)
class Gone:
    """Source records whose Krayin record was deleted: contacts; mapping rows with their sources."""

    contacts: set[int] = field(default_factory=set)
    activities: list[tuple[int, str, str]] = field(default_factory=list)
    companies: list[tuple[int, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class CrmScan:
    """A look at the records of one sync, `named` contacts' only if there are any."""

    connection: psycopg.Connection
    identity: BindingScope
    settings: SyncSettings
    lists: CrmLists
    catalogue: Catalogue
    depth: Depth
    named: frozenset[int]

    def read(self) -> dict[str, int]:
        """Read Krayin's lists as deep as asked for; return how many records had changed, if that is known."""
        if self.named:
            return self._read_named()
        if self.depth == "changed":
            return self.lists.refresh()
        deleted = Counter(one.crm_kind for one in self.lists.read_fully())
        for kind, number in sorted(deleted.items()):
            log.info("%d of our %s records were deleted in Krayin", number, kind)
        return {}

    def _read_named(self) -> dict[str, int]:
        ids = [str(one) for one in sorted(self.named)]
        rows = self.connection.execute(
            statement("mapping/of_record"),
            {**self.identity.parameters(), "source_kind": "contact", "source_ids": ids},
        ).fetchall()
        for kind in ("person", "lead"):
            self.lists.missing(kind, [row[3] for row in rows if row[1] == kind and row[3] is not None])
        return {}

    def edits(self) -> Edits:
        """Look for records that differ from what was sent to them, without asking Chatwoot."""
        edits = Edits()
        if self.named:
            edits.contacts.update(self.named)
            return edits
        again = [
            row[0]
            for row in self.connection.execute(
                statement("finding/again"),
                {**self.identity.parameters(), "sync_name": self.settings.name},
            )
        ]
        with (
            self.connection.transaction(),
            self.connection.cursor("due", row_factory=dict_row) as cursor,
        ):
            cursor.itersize = CHUNK
            cursor.execute(
                statement("mapping/due"),
                {**self.identity.parameters(), "everything": self.depth == "full", "again": again},
            )
            for row in cursor:
                self._note_edit(row, edits)
        return edits

    def _note_edit(self, row: Mapping[str, Any], edits: Edits) -> None:
        sent, facts = row["last_sent"] or {}, row["facts"]
        match row["crm_kind"]:
            case "activity":
                if activity_differences(sent, facts):
                    edits.activities.append(row)
            case "organization":
                edits.companies.append(row)
            case "lead":
                elsewhere = facts["person_id"] != row["person_id"]
                moved = row["stage_id"] not in {None, facts["stage_id"]}
                if elsewhere or moved or self._looks_edited(row, lead_fields(facts)):
                    edits.contacts.add(int(row["source_id"]))
            case _:
                if self._looks_edited(row, listed_person(facts)):
                    edits.contacts.add(int(row["source_id"]))

    def _looks_edited(self, row: Mapping[str, Any], listed: Mapping[str, Any]) -> bool:
        unsent = row["acked_hash"] != row["source_hash"] or row["pending_write"]
        sent = row["last_sent"] or {}
        return bool(unsent or edited(sent, listed, self.settings.default_phone_region))

    def custom(self, edits: Edits) -> dict[tuple[str, int], Mapping[str, Any]]:
        """Return the custom fields that this sync fills, which the lists do not show, where they differ.

        Keyed by kind and CRM id; contacts whose person or lead differs are noted in `edits`.
        """
        found: dict[tuple[str, int], Mapping[str, Any]] = {}
        filled = self.settings.custom_fields.model_dump()
        for kind in (kind for kind, codes in filled.items() if codes):
            rows = [
                row
                for row in (edits.companies if kind == "organization" else self._linked(kind))
                if any(name.startswith(CUSTOM_PREFIX) for name in row["last_sent"] or {})
            ]
            for first in range(0, len(rows), CUSTOM_CHUNK):
                chunk = rows[first : first + CUSTOM_CHUNK]
                shown = self.lists.custom(self.catalogue, kind, [row["crm_id"] for row in chunk])
                for row in chunk:
                    fields = shown.get(row["crm_id"], {})
                    if edited(row["last_sent"] or {}, fields):
                        found[kind, row["crm_id"]] = fields
                        if kind != "organization":
                            edits.contacts.add(int(row["source_id"]))
        return found

    def _linked(self, kind: str) -> list[dict[str, Any]]:
        with self.connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(
                statement("mapping/linked"), {**self.identity.parameters(), "crm_kind": kind}
            ).fetchall()

    def gone(self) -> Gone:
        """Return what was deleted in Krayin, now or earlier."""
        gone = Gone()
        for row_id, source_kind, source_id, _ in self.connection.execute(
            statement("mapping/gone"), self.identity.parameters()
        ):
            if source_kind == "contact":
                gone.contacts.add(int(source_id))
            elif source_kind == "company":
                gone.companies.append((row_id, source_id))
            elif source_kind in SOURCES_OF_ACTIVITIES:
                gone.activities.append((row_id, source_kind, source_id))
        if self.named:
            gone.contacts &= self.named
            gone.activities, gone.companies = [], []
        return gone
