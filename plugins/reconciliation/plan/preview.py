"""What would become of chosen contacts, record by record, and by which setting, as the planner decides it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from reconciliation.extract.streams import LEAD, STAGE
from reconciliation.model.comment import plain_text
from reconciliation.model.contact import LEAD_FIELDS, PERSON_FIELDS
from reconciliation.model.desired_contact import LeadTarget, SkippedContact, inbox_of
from reconciliation.model.field_source import CUSTOM_PREFIX
from reconciliation.model.merge import flatten, same_value
from reconciliation.plan.contact import Action
from reconciliation.plan.planned import Planned, shown
from reconciliation.settings.sync_settings import STAGE_KEYS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from krayin.catalogue import Catalogue

    from reconciliation.model.contact import MappingRules
    from reconciliation.model.desired_contact import DesiredContact
    from reconciliation.model.merge import Policies
    from reconciliation.plan.contact import ContactPlan, Expectation, KnownState
    from reconciliation.plan.engine import PlanEngine
    from reconciliation.plan.organization import PlannedCompany
    from reconciliation.settings.sync_settings import SyncSettings
    from reconciliation.settings.targets import LeadTargets

MOST: Final = 50
"""Contacts whose records are shown."""
ACTIVITIES_SHOWN: Final = 20
LONGEST: Final = 4000
"""Characters of a comment that are shown."""
WRITING: Final = frozenset({Action.CREATE, Action.ADOPT, Action.UPDATE})
_SWITCHES = {"conversation": "sync_conversations", "message": "sync_messages"}


@dataclass(slots=True, kw_only=True)
class Preview(Planned):
    """Collects what is decided about chosen contacts.

    `records` are by contact, as JSON: `action`, `rules`, and of what is written `fields` by CRM kind, each
    with its name, what Chatwoot says, what Krayin has now, what it becomes, and what decides that. They hold
    customers' values.
    """

    rules: MappingRules
    policies: Mapping[str, Policies]
    records: dict[int, dict[str, Any]] = field(default_factory=dict)
    _companies: dict[str, Any] = field(default_factory=dict)

    def mapped(self, contact_id: int, desired: DesiredContact | SkippedContact | str) -> None:
        """Take what a contact is mapped to, or why it is left out."""
        if len(self.records) >= MOST:
            return
        record: dict[str, Any] = {"contact": contact_id}
        self.records[contact_id] = record
        if isinstance(desired, str):
            record |= {"action": "left_out", "reason": desired}
        elif isinstance(desired, SkippedContact):
            record |= {"action": "left_out", "reason": desired.reason.rule}
        else:
            record |= {
                "action": "unchanged",
                "reason": None,
                "adopts": {},
                "new": [],
                "owner": None,
                "organization": None,
                "placed": [],
                "leads": [],
                "target": desired.target,
                "activities": [],
                "activities_planned": 0,
                "rules": desired.decided,
                "warnings": list(desired.warnings),
                "tags": desired.tags,
                "fields": {
                    kind: [{"name": name, "chatwoot": value} for name, value in flatten(fields).items()]
                    for kind, fields in (("person", desired.person), ("lead", desired.lead))
                    if fields is not None
                },
            }

    def add(self, plan: ContactPlan, expectation: Expectation, there: KnownState | None = None, /) -> None:
        """Take what is decided about a contact; `there` is what Krayin has of it."""
        Planned.add(self, plan, expectation, there)
        record = self.records.get(plan.contact.contact_id)
        if record is None:
            return
        record |= {"action": str(plan.action), "reason": plan.reason}
        if plan.action not in WRITING:
            return
        company, sources = plan.contact.organization, _sources(self.rules)
        record |= {
            "adopts": dict(plan.adopt),
            "new": sorted(expectation.new),
            "owner": plan.contact.owner,
            "organization": company and company.folded_name,
        }
        for kind, fields in record["fields"].items():
            present = (there and getattr(there, kind)) or {}
            changes = expectation.changes.get(kind, {})
            changed = shown({name: change for name, change in changes.items() if name != "tags"})
            for one in fields:
                name = one["name"]
                before, after = changed.get(name, [present.get(name)] * 2)
                kept = kind not in expectation.new and not same_value(name, after, one["chatwoot"])
                rule = self._stays(plan, kind, name) if kept else sources[kind][name]
                one |= {"krayin": before, "becomes": after, "rule": rule}

    def _stays(self, plan: ContactPlan, kind: str, name: str) -> str:
        if plan.adopt:
            return "only blanks of what is taken over are filled"
        policy = self.policies.get(kind, {}).get(name)
        code = name.removeprefix(CUSTOM_PREFIX)
        return f"fields.{kind}.{code}.policy: {policy}" if policy else "on_crm_edit: keep"

    def add_company(self, company: PlannedCompany) -> None:
        """Take what is decided about a company."""
        Planned.add_company(self, company)
        self._companies[company.folded_name] = shown(company.changes)

    def leave_out(self, contact_ids: Mapping[int, str]) -> None:
        """Take why contacts that were asked for were not mapped."""
        for contact_id in sorted(contact_ids):
            self.mapped(contact_id, contact_ids[contact_id])

    def finish(
        self, engine: PlanEngine, settings: SyncSettings, targets: LeadTargets, catalogue: Catalogue
    ) -> None:
        """Take what is planned beside the contacts, and call ids of Krayin by their names."""
        users = {one.id: one.name for one in catalogue.users}
        stages = {stage.id: stage.name for one in catalogue.pipelines for stage in one.stages}
        pipelines = {one.id: one.name for one in catalogue.pipelines}
        placed = _placed(settings, targets, catalogue, stages)
        for record in self.records.values():
            target = record.pop("target", None) or LeadTarget()
            if not record.get("fields"):
                continue
            if record["new"]:
                owner = record["owner"] or targets.owner_id
                record["owner"] = owner and {"id": owner, "name": users.get(owner, "")}
            if "lead" in record["new"]:
                own = {
                    "pipeline": pipelines.get(target.pipeline_id or 0),
                    "stage": stages.get(target.stage_id or 0),
                    "source": target.source,
                    "type": target.type,
                }
                rules = {"pipeline": record["rules"].get("stage"), **record["rules"]}
                record["placed"] = [
                    {**one, "name": name, "rule": rules[one["what"]]} if (name := own[one["what"]]) else one
                    for one in placed
                ]
            record["organization"] = self._companies.get(record["organization"] or "")
        self._finish_beside(engine, settings, users, stages)

    def _finish_beside(
        self,
        engine: PlanEngine,
        settings: SyncSettings,
        users: Mapping[int, str],
        stages: Mapping[int, str],
    ) -> None:
        for contact_id, kind, source_id, payload in engine.execute("operation/of_contacts"):
            if contact_id not in self.records:
                continue
            record = self.records[contact_id]
            if inbox_of(source_id) is not None:
                if kind == LEAD:
                    record["leads"].append(_further(source_id, payload, users, stages))
                continue
            if kind == STAGE:
                number = payload.get("stage_id")
                rule = next((key for key in STAGE_KEYS if getattr(settings, key) == number), "")
                reached = {"what": "stage", "name": stages.get(number, ""), "rule": rule}
                before = [one for one in record["placed"] if one["what"] != "stage"]
                record["placed"] = [*before, reached]
                continue
            if len(record["activities"]) < ACTIVITIES_SHOWN:
                wanted = payload["activity"]
                record["activities"].append(
                    {
                        "kind": kind,
                        "id": source_id,
                        "type": wanted["type"],
                        "title": wanted["title"],
                        "comment": plain_text(wanted["comment"])[:LONGEST],
                        "rule": _activity_rule(kind, settings),
                    }
                )
            record["activities_planned"] += 1

    def to_json(self) -> dict[str, Any]:
        """Return the numbers and records for `sync_run.summary`."""
        return {**Planned.to_json(self), "records": list(self.records.values())}


def _further(
    source_id: str, payload: Mapping[str, Any], users: Mapping[int, str], stages: Mapping[int, str]
) -> dict[str, Any]:
    """Return what is planned of a lead for a further inbox: its fields, and what decides where it goes."""
    target = LeadTarget.from_json(payload["target"])
    places = {
        "stage": stages.get(target.stage_id or 0),
        "source": target.source,
        "type": target.type,
        "owner": users.get(target.owner or 0),
        "tags": ", ".join(payload["tags"].get(LEAD, ())),
    }
    return {
        "inbox": inbox_of(source_id),
        "fields": {name: value for name, value in flatten(payload["lead"]).items() if value},
        "placed": {name: value for name, value in places.items() if value},
    }


def _sources(rules: MappingRules) -> dict[str, dict[str, str]]:
    """Return from what each field comes, by CRM kind and name."""
    found: dict[str, dict[str, str]] = {}
    for kind, declared in (("person", PERSON_FIELDS), ("lead", LEAD_FIELDS)):
        of_kind = found.setdefault(kind, {})
        for one in declared:
            place = f"{kind}_{one.target}"
            of_kind[one.target] = f"templates.{place}" if place in rules.templates else one.source
        for code, filled in rules.fields.get(kind, {}).items():
            of_kind[code if code in of_kind else f"{CUSTOM_PREFIX}{code}"] = filled.key
    return found


def _placed(
    settings: SyncSettings, targets: LeadTargets, catalogue: Catalogue, stages: Mapping[int, str]
) -> list[dict[str, Any]]:
    """Return where a new lead goes: what, its name, and the setting that says so."""
    named: tuple[tuple[str, int | None, Mapping[int, str]], ...] = (
        ("pipeline", targets.pipeline_id, {one.id: one.name for one in catalogue.pipelines}),
        ("pipeline_stage", targets.stage_id, stages),
        ("source", targets.source_id, {one.id: one.name for one in catalogue.sources}),
        ("type", targets.type_id, {one.id: one.name for one in catalogue.types}),
    )
    return [
        {
            "what": what.removeprefix("pipeline_"),
            "name": names.get(number or 0, ""),
            "rule": f"lead_{what}_id" + (": default" if getattr(settings, f"lead_{what}_id") is None else ""),
        }
        for what, number, names in named
    ]


def _activity_rule(kind: str, settings: SyncSettings) -> str:
    own = sorted(settings.templates.of(kind))
    switch = _SWITCHES[kind]
    if kind == "conversation" and settings.transcript is not None:
        switch = f"transcript: {settings.transcript}"
    return ", ".join((switch, *(f"templates.{place}" for place in own)))
