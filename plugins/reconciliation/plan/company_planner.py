"""Plans the addresses and custom fields of companies: many contacts, one organization, one winner."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from statements import statement

from reconciliation.mapping.contact import ADDRESS_ATTRIBUTES
from reconciliation.mapping.merge import CUSTOM_PREFIX, flatten, merge
from reconciliation.plan.estimate import ORGANIZATIONS, Expected
from reconciliation.plan.expectation import Changes, Rules, differences
from reconciliation.plan.guard import changed_fields
from reconciliation.plan.operation_rows import NEVER, NOW, OperationRow
from reconciliation.values.hashing import stable_hash

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from reconciliation.mapping.desired_contact import DesiredContact, DesiredOrganization
    from reconciliation.plan.operation_rows import PlanScope
    from reconciliation.plan.plan_reads import PlanReads

_ADDRESS = "address."


@dataclass(frozen=True, slots=True)
class PlannedCompany:
    """One company that is planned, and what that will change in its organization."""

    folded_name: str
    changes: Changes


@dataclass(frozen=True, slots=True)
class _Organization:
    folded_name: str
    name: str
    fields: dict[str, Any]
    crm_id: int | None
    last_sent: Mapping[str, Any] | None

    def source_hash(self) -> bytes:
        return stable_hash(self.fields)


@dataclass(frozen=True, slots=True)
class CompanyPlanner:
    """Plans companies in the transaction that plans the contacts naming them."""

    scope: PlanScope
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
        scope = self.scope.identity.parameters()
        ids = [contact.contact_id for contact in contacts]
        rows = self.scope.connection.execute(statement("plan/members_touched"), {**scope, "contact_ids": ids})
        touched = {row[0] for row in rows}
        named = [(contact.contact_id, contact.organization) for contact in contacts if contact.organization]
        leaving = [contact.contact_id for contact in contacts if not contact.organization]
        if leaving and touched:
            self.scope.connection.execute(statement("plan/members_forget"), {**scope, "contact_ids": leaving})
        if named:
            self._write_members(named)
        return touched | {organization.folded_name for _, organization in named}

    def _write_members(self, named: Sequence[tuple[int, DesiredOrganization]]) -> None:
        self.scope.connection.execute(
            statement("plan/members_write"),
            {
                **self.scope.identity.parameters(),
                "contact_ids": [contact_id for contact_id, _ in named],
                "folded_names": [organization.folded_name for _, organization in named],
                "names": [organization.name for _, organization in named],
                "addresses": [
                    json.dumps({"address": organization.address, "custom": organization.custom})
                    if organization.address
                    or any(value is not None for value in organization.custom.values())
                    else None
                    for _, organization in named
                ],
            },
        )

    def _plan_changed(self, folded_names: Sequence[str]) -> list[PlannedCompany]:
        scope = self.scope.identity.parameters()
        changed: list[_Organization] = []
        for folded_name, name, fields, crm_id, planned_hash, last_sent in self.scope.connection.execute(
            statement("plan/organizations_wanted"), {**scope, "folded_names": list(folded_names)}
        ):
            wanted = _Organization(folded_name, name, _wanted_fields(fields, last_sent), crm_id, last_sent)
            if planned_hash is None or bytes(planned_hash) != wanted.source_hash():
                changed.append(wanted)
        if not changed:
            return []
        names = [wanted.folded_name for wanted in changed]
        self.scope.connection.execute(
            statement("plan/supersede"), {**scope, "source_kind": "company", "source_ids": names}
        )
        present = self._present(changed)
        planned = [self._expected(wanted, present) for wanted in changed]
        rows = [self._row(wanted, *expectation) for wanted, expectation in zip(changed, planned, strict=True)]
        self.scope.write(rows)
        self.scope.connection.execute(
            statement("plan/organizations_planned"),
            {
                **scope,
                "folded_names": names,
                "source_hashes": [wanted.source_hash() for wanted in changed],
                "source_read_at": self.scope.read_at,
            },
        )
        return [
            PlannedCompany(wanted.folded_name, changes)
            for wanted, (_, changes, _) in zip(changed, planned, strict=True)
        ]

    def _present(self, changed: Sequence[_Organization]) -> Mapping[str, Mapping[str, Any]]:
        if self.reads is None:
            return {}
        return self.reads.organizations({wanted.folded_name: wanted.name for wanted in changed})

    def _expected(
        self, wanted: _Organization, present: Mapping[str, Mapping[str, Any]]
    ) -> tuple[Expected, Changes, list[str]]:
        """Return what it costs, changes and overwrites."""
        there = present.get(wanted.folded_name, wanted.last_sent or {})
        merged = merge(
            last_sent=wanted.last_sent,
            present=there,
            desired=company_fields(wanted.fields),
            on_crm_edit=self.rules.on_crm_edit,
        )
        expected = Expected(int(bool(merged.changed)), frozenset({ORGANIZATIONS}))
        return expected, differences(there, merged), merged.overwriting("organization")

    @staticmethod
    def _row(
        wanted: _Organization, expected: Expected, changes: Changes, removes: Sequence[str]
    ) -> OperationRow:
        return OperationRow(
            source_kind="company",
            source_id=wanted.folded_name,
            payload={"organization": wanted.fields, "organization_hash": wanted.source_hash().hex()},
            natural_keys=[f"organization:{wanted.folded_name}"],
            expected=expected,
            # The first contact that names an organization makes it; until then the address waits.
            due_at=NOW if wanted.crm_id is not None else NEVER,
            changes=[] if wanted.crm_id is None else changed_fields({"organization": changes}),
            removes=[] if wanted.crm_id is None else removes,
        )


def _wanted_fields(fields: Mapping[str, Any] | None, last_sent: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return what the winner knows, and blanks for what we wrote before and nobody knows any more."""
    address = (fields or {}).get("address")
    custom = (fields or {}).get("custom") or {}
    sent = list(last_sent or {})
    if not address and any(name.startswith(_ADDRESS) for name in sent):
        address = dict.fromkeys(ADDRESS_ATTRIBUTES, "")
    gone = {
        name.removeprefix(CUSTOM_PREFIX): ""
        for name in sent
        if name.startswith(CUSTOM_PREFIX) and name.removeprefix(CUSTOM_PREFIX) not in custom
    }
    return {"address": address, "custom": {**custom, **gone}}


def company_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the flat fields of an organization from its planned ones, an address line each."""
    flat = {f"{_ADDRESS}{key}": value for key, value in (fields.get("address") or {}).items()}
    return flat | flatten({"custom": fields.get("custom") or {}})
