"""Contacts whose person or lead Krayin lacks, or shows otherwise than it should be."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any

from chatwoot.records import Contact
from chatwoot.source import ByIds

from reconciliation.crm.fields import called_by_company, lead_fields, listed_person
from reconciliation.drift.field_differences import compare, findings_of
from reconciliation.drift.finding import Finding, FindingClass, Side
from reconciliation.extract.streams import CONTACT, CONTACTS, LEAD, STAGE
from reconciliation.model.contact import LEAD_FIELDS, map_contact, map_further_leads, with_address
from reconciliation.model.desired_contact import SkippedContact, contact_of, inbox_of
from reconciliation.model.merge import flatten, resolve_pending_write
from reconciliation.store.mapping_row import MappingRow, MappingState
from reconciliation.store.mapping_store import MappingStore, erased_among, known_names, mapping_row

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from chatwoot.source import SourceFilter, SourceSnapshot

    from reconciliation.crm.lists import CrmLists
    from reconciliation.drift.context import CustomFields, Drift
    from reconciliation.model.contact import MappingRules
    from reconciliation.model.desired_contact import DesiredContact, DesiredLead
    from reconciliation.plan.contact import Rules

_OF_LEADS = frozenset(one.target for one in LEAD_FIELDS)


@dataclass(frozen=True, slots=True)
class ShownRow:
    """A mapping row, and what Krayin's list showed last of its record."""

    row: MappingRow
    facts: Mapping[str, Any] | None

    @property
    def is_linked(self) -> bool:
        """Whether it has a record."""
        return self.row.state is MappingState.LINKED and self.row.crm_id is not None


@dataclass(frozen=True, slots=True)
class ComparedContact:
    """What a contact should be in Krayin and what it is: its rows by CRM kind, and that of its lead's stage.

    Of a lead for a further inbox `lead` is what is wanted, and `desired` its contact with nothing but that.
    `company_names` are the folded names under which organizations are known, `is_moving` says that a move of
    its lead is under way.
    """

    contact_id: int
    desired: DesiredContact
    rows: Mapping[str, ShownRow]
    stage: ShownRow | None = None
    company_names: Mapping[int, Sequence[str]] = field(default_factory=dict)
    is_moving: bool = False
    lead: DesiredLead | None = None

    @property
    def source_id(self) -> str:
        """Its id as a source record."""
        return str(self.contact_id) if self.lead is None else self.lead.source_id

    @property
    def is_undecided(self) -> bool:
        """Whether a planner has to decide: it has no person, and is not quarantined as it is."""
        person = self.rows.get("person")
        if person is None or person.row.state is MappingState.PENDING:
            return True
        is_quarantined = person.row.state is MappingState.QUARANTINED
        return is_quarantined and person.row.source_hash != self.desired.person_hash()

    @property
    def is_news(self) -> bool:
        """Whether it has a person and Chatwoot changed it since it was planned."""
        person, lead = self.rows.get("person"), self.rows.get("lead")
        planned = [shown.row.source_hash if shown else None for shown in (person, lead)]
        wanted = [self.desired.person_hash(), self.desired.lead_hash()]
        if self.lead is not None:
            planned, wanted = planned[1:], wanted[1:]
        return person is not None and person.is_linked and planned != wanted


@dataclass(frozen=True, slots=True)
class ContactDetector:
    """Yields what differs between a contact and its person and lead; no I/O.

    `recreate` says that deleted records are made again, `stage_order` are the stages of the sync's pipeline,
    `custom` the custom fields that differ, where they were read.
    """

    account_id: int
    rules: Rules
    recreate: bool = False
    stage_order: Sequence[int] = ()
    custom: CustomFields = field(default_factory=dict)

    def findings(self, contact: ComparedContact) -> Iterator[Finding]:
        """Yield the findings of one contact; one that has no person yet is for the planner to find."""
        yield from _cut(contact)
        person, lead = contact.rows.get("person"), contact.rows.get("lead")
        if person is None:
            return
        if person.row.state is MappingState.GONE:
            if contact.lead is None:
                yield self._stale(contact, "person", person)
        elif person.is_linked:
            if contact.lead is None:
                yield from self._of_person(contact, person)
            if contact.desired.lead is None:
                return
            if lead is None or lead.row.state in {MappingState.PENDING, MappingState.NOT_WANTED}:
                yield Finding(
                    FindingClass.MISSING,
                    "make the lead, or take over the person's only open one",
                    **_source(contact, "lead", lead),
                    side=Side.OURS,
                    calls=1,
                    repairable=True,
                )
            elif lead.is_linked and lead.facts is not None:
                yield from self._of_lead(contact, lead, lead.facts, person)
        if lead is not None and lead.row.state is MappingState.GONE:
            yield self._stale(contact, "lead", lead)

    def _stale(self, contact: ComparedContact, kind: str, shown: ShownRow) -> Finding:
        needs_person = kind == "lead" and contact.rows["person"].row.state is MappingState.GONE
        return Finding.stale(
            "made again with its person" if needs_person else f"make the {kind} again",
            again=self.recreate,
            calls=int(not needs_person),
            **_source(contact, kind, shown),
        )

    def _of_person(self, contact: ComparedContact, person: ShownRow) -> Iterator[Finding]:
        if person.facts is None:
            return
        last_sent = person.row.last_sent or {}
        desired = flatten(
            with_address(
                contact.desired.person,
                self.account_id,
                contact.contact_id,
                self.rules.email_demand,
                last_sent,
            )
        )
        present = called_by_company(
            listed_person(person.facts),
            contact.company_names,
            desired["organization"],
            last_sent.get("organization"),
        )
        yield from self._fields(contact, "person", person, present, desired)

    def _of_lead(
        self, contact: ComparedContact, lead: ShownRow, facts: Mapping[str, Any], person: ShownRow
    ) -> Iterator[Finding]:
        desired = flatten(contact.desired.lead or {})
        yield from self._fields(contact, "lead", lead, lead_fields(facts), desired)
        if facts.get("person_id") != person.row.crm_id:
            yield Finding(
                FindingClass.CHANGED,
                "none: link the lead to its person in Krayin",
                **_source(contact, "lead", lead),
                field="person",
                side=Side.THEIRS,
                detail={"wanted": person.row.crm_id, "krayin": facts.get("person_id")},
            )
        yield from self._of_stage(contact, lead, facts.get("stage_id"))

    def _of_stage(self, contact: ComparedContact, lead: ShownRow, shown: Any) -> Iterator[Finding]:
        """Yield a lead that somebody moved behind the stage we brought it to."""
        if contact.stage is None or contact.is_moving:
            return
        ours = contact.stage.row.last_sent or {}
        if ours.get("lead") != lead.row.crm_id or ours.get("stage") not in self.stage_order:
            return
        is_ours = shown in self.stage_order
        if shown in self.rules.final_stages or (
            is_ours and self.stage_order.index(shown) >= self.stage_order.index(ours["stage"])
        ):
            return
        moves = is_ours and self.rules.on_crm_edit == "overwrite"
        stays = "where a salesperson put it the lead stays" if is_ours else "the lead is in another pipeline"
        yield Finding(
            FindingClass.MOVED_STAGE,
            "move the lead to its stage again" if moves else f"none: {stays}",
            **{**_source(contact, "lead", lead), "row_id": contact.stage.row.id},
            field="stage",
            side=Side.THEIRS,
            detail={"wanted": ours["stage"], "krayin": shown},
            calls=int(moves),
            repairable=moves,
        )

    def _fields(
        self,
        contact: ComparedContact,
        kind: str,
        shown: ShownRow,
        listed: Mapping[str, Any],
        desired: Mapping[str, Any],
    ) -> Iterator[Finding]:
        base, present = resolve_pending_write(
            last_sent=shown.row.last_sent,
            pending_write=shown.row.pending_write,
            present={**listed, **self.custom.get((kind, shown.row.crm_id or 0), {})},
            desired=desired,
            phone_region=self.rules.phone_region,
        )
        differences = compare(
            last_sent=base,
            present=present,
            desired=desired,
            on_crm_edit=self.rules.on_crm_edit,
            phone_region=self.rules.phone_region,
            policies=self.rules.policies_of(kind),
        )
        return findings_of(differences, **_source(contact, kind, shown))


def _source(contact: ComparedContact, crm_kind: str, shown: ShownRow | None) -> dict[str, Any]:
    return {
        "source_kind": CONTACT if contact.lead is None else LEAD,
        "source_id": contact.source_id,
        "contact_id": contact.contact_id,
        "crm_kind": crm_kind,
        "crm_id": shown.row.crm_id if shown else None,
        "row_id": shown.row.id if shown else None,
    }


def _cut(contact: ComparedContact) -> Iterator[Finding]:
    for warning in contact.desired.warnings:
        if " cut to " in warning or warning.startswith("lead_value changed"):
            name = warning.partition(" ")[0]
            kind = "lead" if name in _OF_LEADS else "person"
            yield Finding(
                FindingClass.TRUNCATED,
                "none: shorten it in Chatwoot",
                **_source(contact, kind, contact.rows.get(kind)),
                field=name,
                side=Side.OURS,
                detail={"note": warning},
            )


@dataclass(frozen=True, slots=True)
class ContactReader:
    """Reads both sides of some contacts and has them compared; `counts` are numbers for the summary."""

    drift: Drift
    snapshot: SourceSnapshot
    scope: SourceFilter
    lists: CrmLists
    mapping_rules: MappingRules
    detector: ContactDetector
    counts: Counter[str] = field(default_factory=Counter)

    def compare(self, contact_ids: Sequence[int]) -> list[tuple[ComparedContact, list[Finding]]]:
        """Return some contacts with their findings, without those whose work is planned or under way.

        Contacts that Chatwoot does not have in the scope are passed over.
        """
        desired, leads = self._desired(contact_ids)
        if not desired:
            return []
        ids = [str(contact_id) for contact_id in desired]
        self.drift.execute("mapping/returned", source_kind=CONTACT, source_ids=ids)
        wanted = {str(contact_id): one for contact_id, one in desired.items()}
        wanted |= {source_id: lead.of_contact() for source_id, lead in leads.items()}
        busy = {one for kind in (CONTACT, LEAD) for one in self.drift.busy(kind, wanted)}
        moving = self.drift.busy(STAGE, wanted)
        self.counts["waiting"] += len(busy & set(ids))
        idle = {source_id: one for source_id, one in wanted.items() if source_id not in busy}
        found = self._found(idle, leads, moving)
        doubtful = [
            contact
            for contact, findings in found.values()
            if any(one.side is Side.THEIRS for one in findings)
        ]
        if doubtful:
            # The lists were read a while ago, and the sync went on meanwhile: ask before claiming.
            for kind in ("person", "lead"):
                shown = (contact.rows.get(kind) for contact in doubtful)
                linked = (one.row.crm_id for one in shown if one is not None and one.is_linked)
                self.lists.missing(kind, [crm_id for crm_id in linked if crm_id is not None])
            found |= self._found({contact.source_id: contact.desired for contact in doubtful}, leads, moving)
        self.counts["compared"] += len(found.keys() - leads.keys())
        return list(found.values())

    def _desired(
        self, contact_ids: Sequence[int]
    ) -> tuple[dict[int, DesiredContact], dict[str, DesiredLead]]:
        """Return what some contacts should be, and by source id their leads for further inboxes."""
        rows = self.drift.execute("mapping/hashes", contact_ids=[str(one) for one in contact_ids])
        found_rows = rows.fetchall()
        mapped = {int(row[0]) for row in found_rows if row[1] == "person" and row[2] is not None}
        own = {int(row[0]): row for row in found_rows if row[1] == "lead"}
        having: dict[int, set[int]] = defaultdict(set)
        store = MappingStore(self.drift.connection)
        for source_id, (known, _) in store.further_leads(self.drift.identity, contact_ids).items():
            if known.state is MappingState.LINKED:
                having[contact_of(source_id)].add(inbox_of(source_id) or 0)
        erased = erased_among(self.drift.connection, self.drift.identity, contact_ids)
        self.counts["left_out"] += len(erased)
        found: dict[int, DesiredContact] = {}
        leads: dict[str, DesiredLead] = {}
        wanted = ByIds(frozenset(contact_ids) - erased)
        for row in chain.from_iterable(self.snapshot.rows(CONTACTS.stream, self.scope, wanted)):
            if not isinstance(row, Contact):
                continue
            lead = own.get(row.id)
            desired = map_contact(
                row,
                self.mapping_rules,
                mapped=row.id in mapped,
                has_lead=lead is not None and lead[3] == MappingState.LINKED,
                inbox=None if lead is None else lead[5],
            )
            if isinstance(desired, SkippedContact):
                self.counts["left_out"] += 1
                continue
            found[row.id] = desired.with_hashes()
            further = map_further_leads(row, self.mapping_rules, desired.inbox, having[row.id])
            leads |= {one.source_id: one for one, _ in further}
        return found, leads

    def _found(
        self,
        desired: Mapping[str, DesiredContact],
        leads: Mapping[str, DesiredLead],
        moving: Collection[str],
    ) -> dict[str, tuple[ComparedContact, list[Finding]]]:
        ids = {*desired, *(str(one.contact_id) for one in desired.values())}
        rows: dict[str, dict[tuple[str, str], ShownRow]] = {}
        for row in self.drift.rows("mapping/contacts_of_records", source_ids=sorted(ids)):
            kinds = row["source_kind"], row["crm_kind"]
            rows.setdefault(row["source_id"], {})[kinds] = ShownRow(mapping_row(row), row["facts"])
        persons = (own.get((CONTACT, "person")) for own in rows.values())
        companies = [(one.facts or {}).get("organization_id") for one in persons if one is not None]
        names = known_names(self.drift.connection, self.drift.identity.target_id, companies)
        found = {}
        for source_id, one in desired.items():
            own, of_contact = rows.get(source_id, {}), rows.get(str(one.contact_id), {})
            person = of_contact.get((CONTACT, "person"))
            lead = own.get((CONTACT if source_id not in leads else LEAD, "lead"))
            contact = ComparedContact(
                one.contact_id,
                one,
                {kind: shown for kind, shown in (("person", person), ("lead", lead)) if shown is not None},
                own.get((STAGE, "lead")),
                names,
                source_id in moving,
                leads.get(source_id),
            )
            found[source_id] = contact, list(self.detector.findings(contact))
        return found
