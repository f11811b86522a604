"""Compares contacts with their persons and leads, chunk by chunk, and stages what a plan must look at."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from chatwoot.records import BrokenRow
from chatwoot.source import ByIds
from psycopg.rows import dict_row
from statements import statement

from reconciliation.crm.fields import called_by_company, lead_fields, listed_person
from reconciliation.load.pending_write import resolve_pending_write
from reconciliation.mapping.company_names import known_names
from reconciliation.mapping.contact import LEAD_FIELDS, map_contact
from reconciliation.mapping.desired_contact import SkippedContact, desired_to_json
from reconciliation.mapping.merge import flatten
from reconciliation.plan.contact import with_address
from reconciliation.reconcile.finding import KEPT, Finding, FindingClass, Side
from reconciliation.reconcile.record_comparison import compare, is_cut
from reconciliation.sync_database.erased import erased_among
from reconciliation.sync_database.mapping_row import MappingRow, MappingState
from reconciliation.sync_database.mapping_store import mapping_row

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    import psycopg
    from chatwoot.source import SourceFilter, SourceSnapshot

    from reconciliation.binding_scope import BindingScope
    from reconciliation.crm.lists import CrmLists
    from reconciliation.mapping.contact import MappingRules
    from reconciliation.mapping.desired_contact import DesiredContact
    from reconciliation.plan.contact import Rules
    from reconciliation.reconcile.record_comparison import FieldDifference
    from reconciliation.reconcile.repair_policy import Policy

CHUNK = 500
_OF_LEADS = frozenset(one.target for one in LEAD_FIELDS)


@dataclass(frozen=True, slots=True)
class _Row:
    row: MappingRow
    facts: Mapping[str, Any] | None

    @property
    def is_linked(self) -> bool:
        return self.row.state is MappingState.LINKED and self.row.crm_id is not None


@dataclass(slots=True)
class _Anew:
    """Mapping rows whose records are to be written again, and those to be made again."""

    written: set[int] = field(default_factory=set)
    made: set[int] = field(default_factory=set)


@dataclass(slots=True)
class _Case:
    contact_id: int
    desired: DesiredContact
    rows: dict[str, _Row]
    stage: _Row | None


@dataclass(slots=True)
class ContactComparison:
    """Compares contacts and collects findings.

    What a planner has to decide or to repair is left in `staged_contact` of the run: `undecided` are
    contacts without a linked person, `repaired` those with something to repair; `news` those that
    Chatwoot changed since they were planned. `custom` are custom fields by (kind, crm id), where read.
    """

    connection: psycopg.Connection
    identity: BindingScope
    run_id: int
    snapshot: SourceSnapshot
    scope: SourceFilter
    lists: CrmLists
    mapping_rules: MappingRules
    rules: Rules
    policy: Policy
    stage_order: Sequence[int] = ()
    custom: Mapping[tuple[str, int], Mapping[str, Any]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    undecided: set[int] = field(default_factory=set)
    repaired: set[int] = field(default_factory=set)
    news: set[int] = field(default_factory=set)
    unknown: set[int] = field(default_factory=set)
    """Contacts that were never planned."""
    restage: set[int] = field(default_factory=set)
    """Contacts whose lead is to be moved to its stage again."""
    forced: Collection[int] = ()
    """Contacts that are planned anew whatever is found: their company is repaired with them."""
    _spellings: dict[int, list[str]] = field(default_factory=dict)

    def chunk(self, contact_ids: Sequence[int]) -> None:
        """Compare some contacts; those that Chatwoot does not have in the scope are passed over."""
        desired = self._desired(contact_ids)
        if not desired:
            return
        ids = [str(contact_id) for contact_id in desired]
        self.connection.execute(
            statement("mapping/returned"),
            {**self.identity.parameters(), "source_kind": "contact", "source_ids": ids},
        )
        busy = self._busy("contact", ids)
        self.counts["waiting"] += len(busy)
        moving = self._busy("stage", ids)
        cases = [case for case in self._cases(desired) if case.contact_id not in busy]
        self._spellings = self._spelled(cases)
        found = {case.contact_id: self._compare(case, moving) for case in cases}
        doubtful = [case for case in cases if _needs_a_look(found[case.contact_id])]
        if doubtful:
            # The lists were read a while ago, and the sync went on meanwhile: ask before claiming.
            self._reread(doubtful)
            again = {case.contact_id: desired[case.contact_id] for case in doubtful}
            cases = [case for case in cases if case.contact_id not in again]
            renewed = list(self._cases(again))
            self._spellings |= self._spelled(renewed)
            found |= {case.contact_id: self._compare(case, moving) for case in renewed}
            cases += renewed
        self.counts["compared"] += len(cases)
        self._act(cases, found)

    def _desired(self, contact_ids: Sequence[int]) -> dict[int, DesiredContact]:
        mapped = self._mapped(contact_ids)
        erased = erased_among(self.connection, self.identity, contact_ids)
        self.counts["left_out"] += len(erased)
        found: dict[int, DesiredContact] = {}
        for chunk in self.snapshot.contacts(self.scope, ByIds(frozenset(contact_ids) - erased)):
            for row in chunk:
                if isinstance(row, BrokenRow):
                    self.counts["unreadable"] += 1
                    continue
                desired = map_contact(row, self.mapping_rules, mapped=row.id in mapped)
                if isinstance(desired, SkippedContact):
                    self.counts["left_out"] += 1
                else:
                    found[row.id] = desired.with_hashes()
        return found

    def _mapped(self, contact_ids: Sequence[int]) -> set[int]:
        rows = self.connection.execute(
            statement("mapping/hashes"),
            {**self.identity.parameters(), "contact_ids": [str(one) for one in contact_ids]},
        )
        return {int(row[0]) for row in rows if row[1] == "person" and row[2] is not None}

    def _busy(self, source_kind: str, source_ids: Sequence[str]) -> set[int]:
        rows = self.connection.execute(
            statement("operation/waiting"),
            {**self.identity.parameters(), "source_kind": source_kind, "source_ids": list(source_ids)},
        )
        return {int(row[0]) for row in rows}

    def _cases(self, desired: Mapping[int, DesiredContact]) -> Iterator[_Case]:
        rows: dict[int, dict[str, _Row]] = {}
        stages: dict[int, _Row] = {}
        with self.connection.cursor(row_factory=dict_row) as cursor:
            for row in cursor.execute(
                statement("mapping/contacts_of_records"),
                {**self.identity.parameters(), "source_ids": [str(one) for one in desired]},
            ):
                one, contact_id = _Row(mapping_row(row), row["facts"]), int(row["source_id"])
                if row["source_kind"] == "stage":
                    stages[contact_id] = one
                else:
                    rows.setdefault(contact_id, {})[row["crm_kind"]] = one
        for contact_id, one_desired in desired.items():
            yield _Case(contact_id, one_desired, rows.get(contact_id, {}), stages.get(contact_id))

    def _reread(self, cases: Sequence[_Case]) -> None:
        for kind in ("person", "lead"):
            ids = [
                row.row.crm_id
                for case in cases
                if (row := case.rows.get(kind)) is not None and row.is_linked and row.row.crm_id is not None
            ]
            self.lists.missing(kind, ids)

    # --- one contact --------------------------------------------------------------------------

    def _compare(self, case: _Case, moving: Collection[int]) -> list[Finding]:
        person, lead = case.rows.get("person"), case.rows.get("lead")
        found = [
            Finding(
                FindingClass.TRUNCATED,
                "none: shorten it in Chatwoot",
                **_source(case),
                crm_kind=kind,
                crm_id=row.row.crm_id if (row := case.rows.get(kind)) else None,
                field=name,
                side=Side.OURS,
                detail={"note": warning},
            )
            for warning in case.desired.warnings
            if " cut to " in warning or warning.startswith("lead_value changed")
            for name in warning.split()[:1]
            for kind in ("lead" if name in _OF_LEADS else "person",)
        ]
        if person is None:
            return found
        if person.row.state is MappingState.GONE:
            found.append(self._stale(case, "person"))
        elif person.is_linked:
            found += self._compare_person(case, person)
            if lead is None or lead.row.state is MappingState.PENDING:
                found.append(_missing_lead(case))
            elif lead.is_linked:
                found += self._compare_lead(case, lead, person)
                if case.contact_id not in moving:
                    found += self._compare_stage(case, lead)
        if lead is not None and lead.row.state is MappingState.GONE:
            found.append(self._stale(case, "lead"))
        return found

    def _compare_person(self, case: _Case, person: _Row) -> list[Finding]:
        if person.facts is None:
            return []
        desired = flatten(
            with_address(
                case.desired.person,
                self.identity.account_id,
                case.contact_id,
                self.rules.email_demand,
                person.row.last_sent,
            )
        )
        sent = (person.row.last_sent or {}).get("organization")
        present = called_by_company(
            listed_person(person.facts), self._spellings, desired["organization"], sent
        )
        return self._differences(case, "person", person, present, desired)

    def _spelled(self, cases: Sequence[_Case]) -> dict[int, list[str]]:
        """Return under which folded names the organizations of the contacts' persons are known to us."""
        shown = (row.facts or {} for case in cases if (row := case.rows.get("person")) is not None)
        return known_names(
            self.connection, self.identity.target_id, (facts.get("organization_id") for facts in shown)
        )

    def _compare_lead(self, case: _Case, lead: _Row, person: _Row) -> list[Finding]:
        if lead.facts is None:
            return []
        found = self._differences(case, "lead", lead, lead_fields(lead.facts), flatten(case.desired.lead))
        if lead.facts.get("person_id") != person.row.crm_id:
            found.append(
                Finding(
                    FindingClass.CHANGED,
                    "none: link the lead to its person in Krayin",
                    **_source(case),
                    crm_kind="lead",
                    crm_id=lead.row.crm_id,
                    field="person",
                    side=Side.THEIRS,
                    detail={"wanted": person.row.crm_id, "krayin": lead.facts.get("person_id")},
                )
            )
        return found

    def _compare_stage(self, case: _Case, lead: _Row) -> list[Finding]:
        if case.stage is None or lead.facts is None:
            return []
        ours = case.stage.row.last_sent or {}
        stage = lead.facts.get("stage_id")
        if ours.get("lead") != lead.row.crm_id or ours.get("stage") not in self.stage_order:
            return []
        if stage in self.rules.final_stages:
            return []
        there = stage in self.stage_order
        if there and self.stage_order.index(stage) >= self.stage_order.index(ours["stage"]):
            return []
        moves = there and self.rules.on_crm_edit == "overwrite"
        return [
            Finding(
                FindingClass.MOVED_STAGE,
                "move the lead to its stage again"
                if moves
                else "none: where a salesperson put it the lead stays"
                if there
                else "none: the lead is in another pipeline",
                **_source(case),
                crm_kind="lead",
                crm_id=lead.row.crm_id,
                field="stage",
                side=Side.THEIRS,
                detail={"wanted": ours["stage"], "krayin": stage},
                calls=int(moves),
                repairable=moves,
            )
        ]

    def _differences(
        self,
        case: _Case,
        kind: str,
        row: _Row,
        listed: Mapping[str, Any],
        desired: Mapping[str, Any],
    ) -> list[Finding]:
        base, present = resolve_pending_write(
            last_sent=row.row.last_sent,
            pending_write=row.row.pending_write,
            present={**listed, **self.custom.get((kind, row.row.crm_id or 0), {})},
            desired=desired,
            phone_region=self.rules.phone_region,
        )
        differences = compare(
            last_sent=base,
            present=present,
            desired=desired,
            on_crm_edit=self.rules.on_crm_edit,
            phone_region=self.rules.phone_region,
        )
        found: list[Finding] = []
        for one in differences:
            written = any(finding.calls for finding in found)
            found.append(_finding_of(case, kind, row, one, calls=int(one.writes and not written)))
        return found

    def _stale(self, case: _Case, kind: str) -> Finding:
        needs_person = kind == "lead" and case.rows["person"].row.state is MappingState.GONE
        return Finding.stale(
            "made again with its person" if needs_person else f"make the {kind} again",
            again=self.policy.recreate,
            calls=int(not needs_person),
            **_source(case),
            crm_kind=kind,
        )

    # --- what becomes of it -------------------------------------------------------------------

    def _act(self, cases: Sequence[_Case], found: Mapping[int, Sequence[Finding]]) -> None:
        anew = _Anew()
        staged: list[_Case] = []
        for case in cases:
            findings = [self.policy.apply_declined(one) for one in found[case.contact_id]]
            self.findings += findings
            to_repair = [one for one in findings if one.repairable and self.policy.repairs(one.kind)]
            self._repair(case, to_repair, anew)
            if self._is_to_be_planned(case):
                staged.append(case)
        for ids, recreate in ((anew.written, False), (anew.made, True)):
            if ids:
                self.connection.execute(
                    statement("mapping/forget"), {"ids": sorted(ids), "recreate": recreate}
                )
        self._stage(staged)

    def _repair(self, case: _Case, findings: Sequence[Finding], anew: _Anew) -> None:
        for one in findings:
            row = case.rows.get(one.crm_kind or "")
            if one.kind is FindingClass.MOVED_STAGE:
                assert case.stage is not None
                anew.made.add(case.stage.row.id)
                self.restage.add(case.contact_id)
            elif row is not None:
                (anew.made if one.kind is FindingClass.STALE_MAPPING else anew.written).add(row.row.id)
            if one.kind is not FindingClass.MOVED_STAGE:
                self.repaired.add(case.contact_id)
        person = case.rows.get("person")
        if case.contact_id in self.forced and person is not None and person.is_linked:
            anew.written.add(person.row.id)
            self.repaired.add(case.contact_id)

    def _is_to_be_planned(self, case: _Case) -> bool:
        person = case.rows.get("person")
        if person is None:
            self.unknown.add(case.contact_id)
        if person is None or person.row.state in {MappingState.PENDING, MappingState.QUARANTINED}:
            if self._is_decided(case):
                return False
            self.undecided.add(case.contact_id)
            return True
        if person.is_linked and self._is_news(case):
            self.news.add(case.contact_id)
            return True
        return case.contact_id in self.repaired

    @staticmethod
    def _is_decided(case: _Case) -> bool:
        """Tell whether it is quarantined, as it is now."""
        person = case.rows.get("person")
        return (
            person is not None
            and person.row.state is MappingState.QUARANTINED
            and person.row.source_hash == case.desired.person_hash()
        )

    @staticmethod
    def _is_news(case: _Case) -> bool:
        person, lead = case.rows.get("person"), case.rows.get("lead")
        hashes = tuple(row.row.source_hash if row else None for row in (person, lead))
        return hashes != (case.desired.person_hash(), case.desired.lead_hash())

    def _stage(self, cases: Sequence[_Case]) -> None:
        if not cases:
            return
        with self.connection.cursor() as cursor, cursor.copy(statement("staged_contact/stage")) as copy:
            for case in cases:
                desired = case.desired
                copy.write_row(
                    (
                        self.run_id,
                        case.contact_id,
                        desired_to_json(desired),
                        desired.person_hash(),
                        desired.lead_hash(),
                        None,
                    )
                )


def _needs_a_look(findings: Sequence[Finding]) -> bool:
    return any(one.side is Side.THEIRS for one in findings)


def _source(case: _Case) -> dict[str, Any]:
    return {"source_kind": "contact", "source_id": str(case.contact_id), "contact_id": case.contact_id}


def _missing_lead(case: _Case) -> Finding:
    return Finding(
        FindingClass.MISSING,
        "make the lead, or take over the person's only open one",
        **_source(case),
        crm_kind="lead",
        side=Side.OURS,
        calls=1,
        repairable=True,
    )


def _finding_of(case: _Case, kind: str, row: _Row, one: FieldDifference, *, calls: int) -> Finding:
    return Finding(
        FindingClass.TRUNCATED if is_cut(one.wanted, one.shown) else FindingClass.CHANGED,
        "write Chatwoot's value" if one.writes else KEPT,
        **_source(case),
        crm_kind=kind,
        crm_id=row.row.crm_id,
        field=one.field,
        side=one.side,
        detail={"chatwoot": one.wanted, "krayin": one.shown},
        calls=calls,
        repairable=one.writes,
    )
