"""Where mapped records wait between extract and plan, and what was last planned of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from statements import statement

from reconciliation.model.contact import map_contact
from reconciliation.model.desired_contact import SkippedContact, desired_to_json
from reconciliation.store.mapping_row import MappingState
from reconciliation.store.mapping_store import erased_among

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from typing import Any

    import psycopg
    from chatwoot.records import Contact

    from reconciliation.extract.extract import Seen
    from reconciliation.extract.streams import DesiredStage, Rules, StreamSpec
    from reconciliation.model.contact import MappingRules
    from reconciliation.model.desired_activity import DesiredActivity
    from reconciliation.model.desired_contact import DesiredContact
    from reconciliation.store.binding_scope import BindingScope

# From here on the statistics of a table matter.
MANY = 1000
ERASED = "erased on request"


@dataclass(slots=True)
class _Planned:
    """The hashes last planned of a contact, and whether its lead may have been closed since."""

    person: bytes | None = None
    lead: bytes | None = None
    has_lead: bool = False
    active_at: datetime | None = None

    def is_news(self, contact: Contact) -> bool:
        last = contact.last_activity_at
        return self.has_lead and last is not None and (self.active_at is None or last > self.active_at)


_NEVER_PLANNED = _Planned()


@dataclass(frozen=True, slots=True)
class StagedContacts:
    """The contacts of one run.

    With `follow_closed` also those are staged that have a lead and were active since it was last looked at.
    `told` hears what each contact is mapped to, or why it is left out.
    """

    connection: psycopg.Connection
    identity: BindingScope
    run_id: int
    rules: MappingRules
    follow_closed: bool = False
    told: Callable[[int, DesiredContact | SkippedContact | str], None] = lambda *_: None

    def clear(self) -> None:
        """Drop what this run, or an earlier try of it, staged."""
        self.connection.execute(statement("staged_contact/clear"), {"run_id": self.run_id})

    def stage(self, contacts: Sequence[Any], seen: Seen) -> int:
        """Stage those contacts that differ from what was last planned; return how many."""
        planned = self._planned(contacts)
        erased = erased_among(self.connection, self.identity, (contact.id for contact in contacts))
        staged = 0
        with self.connection.cursor() as cursor, cursor.copy(statement("staged_contact/stage")) as copy:
            for contact in contacts:
                if contact.id in erased:
                    seen.skipped[ERASED] += 1
                    self.told(contact.id, ERASED)
                    continue
                before = planned.get(contact.id, _NEVER_PLANNED)
                desired = map_contact(
                    contact, self.rules, mapped=before.person is not None, has_lead=before.has_lead
                )
                self.told(contact.id, desired)
                if isinstance(desired, SkippedContact):
                    seen.skip(desired.reason, contact.id)
                    continue
                for warning in desired.warnings:
                    seen.warn(warning, contact.id)
                for what, rule in desired.decided.items():
                    seen.decided[what][rule] += 1
                hashes = desired.person_hash(), desired.lead_hash()
                follows = self.follow_closed and self.rules.make_leads and contact.wants_lead
                active_at = contact.last_activity_at if follows and before.is_news(contact) else None
                if hashes == (before.person, before.lead) and active_at is None:
                    seen.unchanged += 1
                    continue
                staged += 1
                copy.write_row((self.run_id, contact.id, desired_to_json(desired), *hashes, active_at))
        return staged

    def analyze(self, staged: int) -> None:
        """Let PostgreSQL know of what was staged, where it is much."""
        if staged >= MANY:
            self.connection.execute(statement("staged_contact/analyze"))

    def _planned(self, contacts: Sequence[Contact]) -> dict[int, _Planned]:
        found: dict[int, _Planned] = {}
        for source_id, kind, source_hash, state, active_at in self.connection.execute(
            statement("mapping/hashes"),
            {**self.identity.parameters(), "contact_ids": [str(contact.id) for contact in contacts]},
        ):
            one = found.setdefault(int(source_id), _Planned())
            # What was taken for gone is planned anew, whatever it was before.
            known = source_hash is not None and state != MappingState.ORPHANED
            setattr(one, kind, bytes(source_hash) if known else None)
            if kind == "lead":
                one.has_lead = state == MappingState.LINKED
                one.active_at = active_at
        return found


@dataclass(frozen=True, slots=True)
class StagedActivities:
    """The records of one run in a stream that hangs on the contacts."""

    connection: psycopg.Connection
    identity: BindingScope
    run_id: int
    spec: StreamSpec
    rules: Rules

    def stage(self, records: Sequence[Any], seen: Seen) -> int:
        """Stage those records that differ from what was last planned; return how many."""
        planned = self._planned([str(record.key) for record in records])
        fresh: dict[str, DesiredActivity | DesiredStage] = {}
        for record in records:
            before = planned.get(str(record.key))
            desired = self.spec.map(record, self.rules, before is not None)
            if isinstance(desired, str):
                seen.skip(desired, record.key)
            elif desired is not None and desired.hash() == before:
                seen.unchanged += 1
            elif desired is not None:
                fresh[str(record.key)] = desired
        if fresh:
            self.connection.execute(
                statement("staged_activity/stage"),
                {
                    "run_id": self.run_id,
                    "source_kind": self.spec.kind,
                    "source_ids": list(fresh),
                    "contact_ids": [one.contact_id for one in fresh.values()],
                    "source_hashes": [one.hash() for one in fresh.values()],
                    "desired": [json.dumps(one.to_json(), ensure_ascii=False) for one in fresh.values()],
                },
            )
        return len(fresh)

    def _planned(self, source_ids: list[str]) -> dict[str, bytes]:
        rows = self.connection.execute(
            statement("mapping/activity_hashes"),
            {**self.identity.parameters(), "source_kind": self.spec.kind, "source_ids": source_ids},
        )
        return {row[0]: bytes(row[1]) for row in rows if row[1] is not None}
