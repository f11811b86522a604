"""Plans the addresses and custom fields of companies: many contacts, one organization, one winner."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reconciliation.crm.fields import ADDRESS_PREFIX
from reconciliation.model.contact import ADDRESS_ATTRIBUTES
from reconciliation.model.field_source import CUSTOM_PREFIX
from reconciliation.model.hashing import stable_hash
from reconciliation.model.merge import flatten, merge
from reconciliation.plan.contact import Changes, Rules, differences
from reconciliation.plan.engine import NEVER, NOW, OperationRow, withdraw
from reconciliation.plan.estimate import ORGANIZATIONS, Expected
from reconciliation.plan.guard import changed_fields

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from reconciliation.model.desired_contact import DesiredContact
    from reconciliation.plan.engine import PlanEngine
    from reconciliation.plan.present_records import PlanReads

COMPANY = "company"


@dataclass(frozen=True, slots=True)
class PlannedCompany:
    """One company that is planned, and what that will change in its organization."""

    folded_name: str
    changes: Changes


@dataclass(frozen=True, slots=True)
class PlannedOrganization:
    """What a company's organization should hold; `crm_id` and `last_sent` are None while nobody made it."""

    folded_name: str
    name: str
    fields: dict[str, Any]
    crm_id: int | None
    last_sent: Mapping[str, Any] | None

    def source_hash(self) -> bytes:
        """Return the hash of the fields."""
        return stable_hash(self.fields)


def decide(
    wanted: PlannedOrganization, there: Mapping[str, Any] | None, rules: Rules
) -> tuple[OperationRow, Changes]:
    """Return the operation for a company, and what it changes; `there` is what Krayin holds, if known."""
    present = (wanted.last_sent or {}) if there is None else there
    merged = merge(
        last_sent=wanted.last_sent,
        present=present,
        desired=company_fields(wanted.fields),
        on_crm_edit=rules.on_crm_edit,
        policies=rules.policies_of("organization"),
    )
    changes = differences(present, merged)
    is_made = wanted.crm_id is not None
    operation = OperationRow(
        source_kind=COMPANY,
        source_id=wanted.folded_name,
        payload={"organization": wanted.fields, "organization_hash": wanted.source_hash().hex()},
        natural_keys=[f"organization:{wanted.folded_name}"],
        expected=Expected(int(bool(merged.changed)), frozenset({ORGANIZATIONS})),
        # The first contact that names an organization makes it; until then the address waits.
        due_at=NOW if is_made else NEVER,
        changes=changed_fields({"organization": changes}) if is_made else [],
        removes=merged.overwriting("organization") if is_made else [],
    )
    return operation, changes


@dataclass(frozen=True, slots=True)
class OrganizationPlanner:
    """Plans companies in the transaction that plans the contacts naming them."""

    engine: PlanEngine
    rules: Rules
    reads: PlanReads | None = None

    def plan(
        self, contacts: Sequence[DesiredContact], named_already: Collection[str] = ()
    ) -> list[PlannedCompany]:
        """Note which companies `contacts` name now, plan those whose winner says something new.

        `named_already` are the folded names of further companies, of which it is noted who names them.
        """
        touched = set(named_already)
        if contacts:
            touched |= self._note(contacts)
        return self._plan_changed(sorted(touched)) if touched else []

    def _note(self, contacts: Sequence[DesiredContact]) -> set[str]:
        """Note which companies contacts name now; return those and the ones they named before."""
        ids = [contact.contact_id for contact in contacts]
        touched = {row[0] for row in self.engine.execute("organization_member/touched", contact_ids=ids)}
        named = [(contact.contact_id, contact.organization) for contact in contacts if contact.organization]
        leaving = [contact.contact_id for contact in contacts if not contact.organization]
        if leaving and touched:
            self.engine.execute("organization_member/forget", contact_ids=leaving)
        if named:
            self.engine.execute(
                "organization_member/write",
                contact_ids=[contact_id for contact_id, _ in named],
                folded_names=[organization.folded_name for _, organization in named],
                names=[organization.name for _, organization in named],
                addresses=[
                    json.dumps({"address": organization.address, "custom": organization.custom})
                    if organization.address
                    or any(value not in (None, []) for value in organization.custom.values())
                    else None
                    for _, organization in named
                ],
            )
        return touched | {organization.folded_name for _, organization in named}

    def _plan_changed(self, folded_names: Sequence[str]) -> list[PlannedCompany]:
        changed: list[PlannedOrganization] = []
        for folded_name, name, fields, crm_id, planned_hash, last_sent in self.engine.execute(
            "mapping/organizations_wanted", folded_names=list(folded_names)
        ):
            wanted_fields = _wanted_fields(fields, last_sent, self.rules.lasting)
            wanted = PlannedOrganization(folded_name, name, wanted_fields, crm_id, last_sent)
            if planned_hash is None or bytes(planned_hash) != wanted.source_hash():
                changed.append(wanted)
        if not changed:
            return []
        names = {wanted.folded_name: wanted.name for wanted in changed}
        present = self.reads.organizations(names) if self.reads is not None else {}
        decided = [decide(wanted, present.get(wanted.folded_name), self.rules) for wanted in changed]
        withdraw(self.engine.connection, self.engine.identity, COMPANY, list(names))
        self.engine.write(operation for operation, _ in decided)
        self.engine.execute(
            "mapping/organizations_planned",
            folded_names=list(names),
            source_hashes=[wanted.source_hash() for wanted in changed],
            source_read_at=self.engine.read_at,
        )
        return [PlannedCompany(operation.source_id, changes) for operation, changes in decided]


def _wanted_fields(
    fields: Mapping[str, Any] | None, last_sent: Mapping[str, Any] | None, lasting: Collection[str]
) -> dict[str, Any]:
    """Return what the winner knows, and blanks for what we wrote before and nobody knows any more.

    None for what is `lasting`, which Krayin cannot empty.
    """
    address = (fields or {}).get("address")
    custom = (fields or {}).get("custom") or {}
    sent = last_sent or {}
    if not address and any(name.startswith(ADDRESS_PREFIX) for name in sent):
        address = dict.fromkeys(ADDRESS_ATTRIBUTES, "")
    gone = {
        code: [] if isinstance(value, list) else ""
        for name, value in sent.items()
        # What the winner names no value for could not be converted, and stays.
        if fields is None and (code := name.removeprefix(CUSTOM_PREFIX)) != name and code not in lasting
    }
    return {"address": address, "custom": {**custom, **gone}}


def company_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the flat fields of an organization from its planned ones, an address line each."""
    flat = {f"{ADDRESS_PREFIX}{key}": value for key, value in (fields.get("address") or {}).items()}
    return flat | flatten({"custom": fields.get("custom") or {}})
