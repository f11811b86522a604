"""Records of contacts and conversations that are gone in Chatwoot, and what is to become of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from chatwoot.records import Contact
from chatwoot.source import ByIds, SourceFilter

from reconciliation.drift.finding import Finding, FindingClass
from reconciliation.extract.merged_contacts import MergeEvidence, lost_contact
from reconciliation.extract.streams import CONTACTS, LEAD, STREAMS
from reconciliation.load.removal import Removal, RemovalAction
from reconciliation.model.contact import natural_keys
from reconciliation.model.desired_activity import CONVERSATION, MESSAGE
from reconciliation.model.desired_contact import contact_of
from reconciliation.plan.heirs import note_gone
from reconciliation.plan.matching import sent_keys
from reconciliation.store.mapping_row import MappingState
from reconciliation.store.mapping_store import MappingStore, erased_among, mapping_row

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from chatwoot.source import SourceSnapshot

    from reconciliation.drift.context import Drift
    from reconciliation.settings.sync_settings import SyncSettings
    from reconciliation.store.mapping_row import MappingRow

_NOT_OURS = "none: its records were there before us"


@dataclass(frozen=True, slots=True)
class Survivor:
    """A contact into which another was merged: the natural keys it has now, and how it stands with us."""

    contact_id: int
    keys: frozenset[str] = frozenset()
    is_linked: bool = True
    is_erased: bool = False


@dataclass(frozen=True, slots=True)
class OrphanPlan:
    """What is to become of the records of a source record that is gone, and the finding that says so.

    With a `survivor` and no `removals` that contact takes the records over.
    """

    finding: Finding
    removals: Sequence[Removal] = ()
    survivor: int | None = None


def decide(  # noqa: PLR0913 - a contact, its records and what is known of it
    contact_id: int,
    rows: Mapping[str, MappingRow],
    survivor: Survivor | None,
    settings: SyncSettings,
    *,
    can_tell: bool,
    further: Mapping[str, MappingRow] = MappingProxyType({}),
) -> OrphanPlan:
    """Decide about the records of a contact that is gone: merged into `survivor`, or deleted.

    `rows` are its mapping rows by CRM kind, `further` those of its leads for further inboxes by source id;
    `can_tell` is False where Chatwoot does not tell the two apart.
    """
    reports = settings.on_source_delete == "report"
    removals: list[Removal] = []
    heir = None
    if survivor is not None:
        detail: dict[str, Any] = {"merged_into": survivor.contact_id}
        if survivor.is_erased:
            text = (
                f"none: merged into contact {survivor.contact_id}, which was erased on request: "
                "erase this one too"
            )
        elif not survivor.is_linked:
            heir = survivor.contact_id
            text = f"give its records to contact {heir}, into which it was merged"
        else:
            text = f"merged into contact {survivor.contact_id}, which has records of its own: "
            removals = _removals(contact_id, rows, further, RemovalAction.CLOSE, settings, survivor)
            if removals:
                heir = survivor.contact_id
                text += "close the lead, free its addresses"
            else:
                text += "none, report only (on_source_delete: report)" if reports else _NOT_OURS
    elif not can_tell:
        detail = {}
        text = "none: Chatwoot's API does not tell a deleted contact from a merged one"
    else:
        detail = {"deleted": True}
        is_deletion = settings.on_source_delete == "delete"
        action = RemovalAction.DELETE if is_deletion else RemovalAction.CLOSE
        removals = _removals(contact_id, rows, further, action, settings)
        if removals:
            text = "delete the lead, then the person" if is_deletion else "close the lead"
        else:
            text = "none: report only (on_source_delete: report)" if reports else _NOT_OURS
    records = {kind: row.crm_id for kind, row in sorted(rows.items()) if row.crm_id is not None}
    finding = Finding(
        FindingClass.ORPHAN,
        text,
        source_kind="contact",
        source_id=str(contact_id),
        contact_id=contact_id,
        crm_kind="person",
        crm_id=records.get("person"),
        detail={**detail, **records},
        calls=sum(one.expected.writes for one in removals),
        repairable=bool(removals) or heir is not None,
    )
    return OrphanPlan(finding, removals, heir)


def decide_activity(source_kind: str, source_id: str, row: MappingRow, settings: SyncSettings) -> OrphanPlan:
    """Decide about the activity of a conversation or message that is gone."""
    deletes = settings.on_source_delete == "delete" and row.origin == "created"
    finding = Finding(
        FindingClass.ORPHAN,
        "delete the activity" if deletes else "none: report only",
        source_kind=source_kind,
        source_id=source_id,
        crm_kind="activity",
        crm_id=row.crm_id,
        detail={"deleted": True},
        calls=int(deletes),
        repairable=deletes,
    )
    removal = Removal(source_kind, source_id, RemovalAction.DELETE, [row.id], activity=row.crm_id)
    return OrphanPlan(finding, [removal] if deletes else [])


def _removals(  # noqa: PLR0913, PLR0917 - a contact, its records and what becomes of them
    contact_id: int,
    rows: Mapping[str, MappingRow],
    further: Mapping[str, MappingRow],
    action: RemovalAction,
    settings: SyncSettings,
    survivor: Survivor | None = None,
) -> list[Removal]:
    """Return what is to be done to records that we made: a person goes with all its leads, or none of it."""
    if settings.on_source_delete == "report":
        return []
    if action is RemovalAction.DELETE:
        own = _removal(contact_id, rows, action, settings, survivor, list(further.values()))
        return [] if own is None else [own]
    own = _removal(contact_id, rows, action, settings, survivor)
    into = None if survivor is None else survivor.contact_id
    closed = [
        Removal(LEAD, source_id, action, [row.id], into, lead=row.crm_id)
        for source_id, row in sorted(further.items())
        if row.crm_id is not None and row.origin == "created"
    ]
    return closed if own is None else [own, *closed]


def _removal(  # noqa: PLR0913, PLR0917 - a contact, its records and what becomes of them
    contact_id: int,
    rows: Mapping[str, MappingRow],
    action: RemovalAction,
    settings: SyncSettings,
    survivor: Survivor | None = None,
    further: Sequence[MappingRow] = (),
) -> Removal | None:
    ours = {
        kind: row.crm_id for kind, row in rows.items() if row.origin == "created" and row.crm_id is not None
    }
    lead, person = rows.get("lead"), rows.get("person")
    leads = [*further, *([] if lead is None else [lead])]
    former = {one for row in leads for one in row.former_crm_ids if one not in row.former_adopted_ids} | {
        row.crm_id for row in further if row.crm_id is not None and row.origin == "created"
    }
    if not ours and (action is RemovalAction.CLOSE or not former):
        return None
    kept = any(row.former_adopted_ids or (row.crm_id and row.origin == "adopted") for row in leads)
    keys = sent_keys(person.last_sent if person else None, settings.default_phone_region)
    given_up = survivor.keys if survivor is not None and "person" in ours else frozenset()
    return Removal(
        "contact",
        str(contact_id),
        action,
        [row.id for row in (*rows.values(), *further)],
        None if survivor is None else survivor.contact_id,
        # A person that was there before us stays, and so does one with a lead that was.
        person=None if action is RemovalAction.DELETE and kept else ours.get("person"),
        lead=ours.get("lead"),
        former=sorted(former),
        releases=[key for key in keys if key in given_up],
        keys=keys,
    )


@dataclass(frozen=True, slots=True)
class GoneContactDetector:
    """Finds what is gone in Chatwoot, and says what is to become of its records in Krayin.

    `returned` are contacts that were taken for gone and are there.
    """

    drift: Drift
    snapshot: SourceSnapshot
    scope: SourceFilter
    returned: set[int] = field(default_factory=set)

    def note(self, source_kind: str, source_ids: Iterable[int]) -> None:
        """Note that source records are gone; what was planned for them is dropped."""
        ids = [str(one) for one in source_ids]
        if not ids:
            return
        with self.drift.connection.transaction():
            note_gone(self.drift.connection, self.drift.identity, source_kind, ids)

    def plans(self) -> Iterator[tuple[OrphanPlan, Mapping[str, MappingRow], Mapping[str, MappingRow]]]:
        """Yield a plan for everything that is noted and not seen to yet, with the mapping rows it is about.

        These are the contact's own by CRM kind, and its leads for further inboxes by source id.

        What is in Chatwoot again has its records back. Activities that hang on the records of a contact
        that is gone are seen to with these. Carry each plan out before the next: it may give records to a
        contact into which the next one was merged as well.
        """
        contacts, further, activities = self._noted()
        for contact_id in self._back("contact", contacts.keys() | further.keys()):
            contacts.pop(contact_id, None)
            further.pop(contact_id, None)
            self.returned.add(contact_id)
        for contact_id in further:
            contacts.setdefault(contact_id, {})
        yield from self._of_contacts(contacts, further)
        records = {(kind, row.crm_id) for own in contacts.values() for kind, row in own.items()}
        records |= {(LEAD, row.crm_id) for own in further.values() for row in own.values()}
        for kind, orphaned in activities.items():
            back = self._back(kind, [int(source_id) for source_id, _ in orphaned])
            for source_id, activity in orphaned:
                sent = activity.last_sent or {}
                together = {(one, sent[one]) for one in ("person", "lead") if one in sent}
                if int(source_id) not in back and not together & records:
                    yield decide_activity(kind, source_id, activity, self.drift.settings), {}, {}

    def _of_contacts(
        self,
        contacts: Mapping[int, Mapping[str, MappingRow]],
        further: Mapping[int, Mapping[str, MappingRow]],
    ) -> Iterator[tuple[OrphanPlan, Mapping[str, MappingRow], Mapping[str, MappingRow]]]:
        connection, identity = self.drift.connection, self.drift.identity
        lost = [lost_contact(contact_id, rows.get("person")) for contact_id, rows in contacts.items()]
        evidence = MergeEvidence(connection, identity, self.snapshot)
        survivors = evidence.survivors(lost)
        evidence.transfer(survivors)
        erased = erased_among(connection, identity, set(survivors.values()))
        keys = self._keys(frozenset(survivors.values()))
        for contact_id, own in contacts.items():
            one, survivor = survivors.get(contact_id), None
            if one is not None:
                person = MappingStore(connection).rows_of(identity, "contact", str(one)).get("person")
                is_linked = person is not None and person.state is MappingState.LINKED
                survivor = Survivor(one, keys.get(one, frozenset()), is_linked, one in erased)
            settings, leads = self.drift.settings, further.get(contact_id, {})
            plan = decide(contact_id, own, survivor, settings, can_tell=evidence.can_tell, further=leads)
            yield plan, own, leads

    def _noted(
        self,
    ) -> tuple[
        dict[int, dict[str, MappingRow]],
        dict[int, dict[str, MappingRow]],
        dict[str, list[tuple[str, MappingRow]]],
    ]:
        """Return the mapping rows of contacts, of leads for further inboxes, and of activities.

        Those of a contact are by CRM kind, its leads by source id, and activities stand with theirs by kind.
        """
        further: dict[int, dict[str, MappingRow]] = {}
        contacts: dict[int, dict[str, MappingRow]] = {}
        activities: dict[str, list[tuple[str, MappingRow]]] = {CONVERSATION: [], MESSAGE: []}
        named = self.drift.named
        for row in self.drift.rows("mapping/orphans"):
            if row["source_kind"] in {"contact", LEAD}:
                contact_id = contact_of(row["source_id"])
                if named and contact_id not in named:
                    continue
                if row["source_kind"] == LEAD:
                    further.setdefault(contact_id, {})[row["source_id"]] = mapping_row(row)
                else:
                    contacts.setdefault(contact_id, {})[row["crm_kind"]] = mapping_row(row)
            elif row["source_kind"] in activities and not named:
                activities[row["source_kind"]].append((row["source_id"], mapping_row(row)))
        return contacts, further, activities

    def _back(self, source_kind: str, source_ids: Iterable[int]) -> set[int]:
        """Give those of some source records that are in Chatwoot again their records back; return them."""
        ids = sorted(source_ids)
        there = self.snapshot.there(STREAMS[source_kind], self.scope, ids) if ids else set()
        if there:
            records = {"source_kind": source_kind, "source_ids": [str(one) for one in sorted(there)]}
            with self.drift.connection.transaction():
                # What was to become of its records is not to be carried out any more.
                self.drift.execute("operation/supersede", **records)
                self.drift.execute("mapping/returned", **records)
        return there

    def _keys(self, contact_ids: frozenset[int]) -> dict[int, frozenset[str]]:
        """Return the natural keys that some contacts have now."""
        found: dict[int, frozenset[str]] = {}
        scope = SourceFilter(self.drift.identity.account_id)
        for chunk in self.snapshot.rows(CONTACTS.stream, scope, ByIds(contact_ids)) if contact_ids else ():
            for contact in chunk:
                if isinstance(contact, Contact):
                    emails, phones = [contact.email or ""], [contact.phone_number or ""]
                    keys = natural_keys(emails, phones, self.drift.settings.default_phone_region)
                    found[contact.id] = frozenset(keys)
        return found
