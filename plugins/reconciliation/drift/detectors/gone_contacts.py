"""Records of contacts and conversations that are gone in Chatwoot, and what is to become of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from chatwoot.records import Contact
from chatwoot.source import ByIds, SourceFilter

from reconciliation.drift.finding import Finding, FindingClass
from reconciliation.extract.merge_evidence import MergeEvidence, lost_contact
from reconciliation.extract.streams import CONTACTS, STREAMS
from reconciliation.load.removal import Removal, RemovalAction
from reconciliation.model.contact import natural_keys
from reconciliation.model.desired_activity import CONVERSATION, MESSAGE
from reconciliation.plan.heirs import note_gone
from reconciliation.plan.matching import sent_keys
from reconciliation.store.mapping_row import MappingState
from reconciliation.store.mapping_store import MappingStore, erased_among, mapping_row

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

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

    With a `survivor` and no `removal` that contact takes the records over.
    """

    finding: Finding
    removal: Removal | None = None
    survivor: int | None = None


def decide(
    contact_id: int,
    rows: Mapping[str, MappingRow],
    survivor: Survivor | None,
    settings: SyncSettings,
    *,
    can_tell: bool,
) -> OrphanPlan:
    """Decide about the records of a contact that is gone: merged into `survivor`, or deleted.

    `rows` are its mapping rows by CRM kind; `can_tell` is False where Chatwoot does not tell the two apart.
    """
    reports = settings.on_source_delete == "report"
    removal, heir = None, None
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
            removal = _removal(contact_id, rows, RemovalAction.CLOSE, settings, survivor)
            if removal is not None:
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
        removal = _removal(contact_id, rows, action, settings)
        if removal is not None:
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
        calls=removal.expected.writes if removal is not None else 0,
        repairable=removal is not None or heir is not None,
    )
    return OrphanPlan(finding, removal, heir)


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
    return OrphanPlan(finding, removal if deletes else None)


def _removal(
    contact_id: int,
    rows: Mapping[str, MappingRow],
    action: RemovalAction,
    settings: SyncSettings,
    survivor: Survivor | None = None,
) -> Removal | None:
    """Return what is to be done to records that we made, None when that is nothing."""
    if settings.on_source_delete == "report":
        return None
    ours = {
        kind: row.crm_id for kind, row in rows.items() if row.origin == "created" and row.crm_id is not None
    }
    lead, person = rows.get("lead"), rows.get("person")
    former = set(lead.former_crm_ids) - set(lead.former_adopted_ids) if lead else set()
    if not ours and (action is RemovalAction.CLOSE or not former):
        return None
    kept = lead is not None and (lead.former_adopted_ids or (lead.crm_id and lead.origin == "adopted"))
    keys = sent_keys(person.last_sent if person else None, settings.default_phone_region)
    given_up = survivor.keys if survivor is not None and "person" in ours else frozenset()
    return Removal(
        "contact",
        str(contact_id),
        action,
        [row.id for row in rows.values()],
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

    def plans(self) -> Iterator[tuple[OrphanPlan, Mapping[str, MappingRow]]]:
        """Yield a plan for everything that is noted and not seen to yet, with the mapping rows it is about.

        What is in Chatwoot again has its records back. Activities that hang on the records of a contact
        that is gone are seen to with these. Carry each plan out before the next: it may give records to a
        contact into which the next one was merged as well.
        """
        contacts, activities = self._noted()
        for contact_id in self._back("contact", contacts):
            del contacts[contact_id]
            self.returned.add(contact_id)
        yield from self._of_contacts(contacts)
        records = {(kind, row.crm_id) for own in contacts.values() for kind, row in own.items()}
        for kind, orphaned in activities.items():
            back = self._back(kind, [int(source_id) for source_id, _ in orphaned])
            for source_id, activity in orphaned:
                sent = activity.last_sent or {}
                together = {(one, sent[one]) for one in ("person", "lead") if one in sent}
                if int(source_id) not in back and not together & records:
                    yield decide_activity(kind, source_id, activity, self.drift.settings), {}

    def _of_contacts(
        self, contacts: Mapping[int, Mapping[str, MappingRow]]
    ) -> Iterator[tuple[OrphanPlan, Mapping[str, MappingRow]]]:
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
            settings = self.drift.settings
            yield decide(contact_id, own, survivor, settings, can_tell=evidence.can_tell), own

    def _noted(self) -> tuple[dict[int, dict[str, MappingRow]], dict[str, list[tuple[str, MappingRow]]]]:
        """Return the mapping rows of contacts, and activities with their source ids by kind."""
        contacts: dict[int, dict[str, MappingRow]] = {}
        activities: dict[str, list[tuple[str, MappingRow]]] = {CONVERSATION: [], MESSAGE: []}
        named = self.drift.named
        for row in self.drift.rows("mapping/orphans"):
            if row["source_kind"] == "contact":
                if not named or int(row["source_id"]) in named:
                    contacts.setdefault(int(row["source_id"]), {})[row["crm_kind"]] = mapping_row(row)
            elif row["source_kind"] in activities and not named:
                activities[row["source_kind"]].append((row["source_id"], mapping_row(row)))
        return contacts, activities

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
