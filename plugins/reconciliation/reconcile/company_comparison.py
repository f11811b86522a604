"""Compares the organizations of companies with what was sent to them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from krayin.text import fold_name
from statements import statement

from reconciliation.crm.fields import ADDRESS_PREFIX, organization_fields
from reconciliation.mapping.company_names import known_names
from reconciliation.reconcile.finding import KEPT, Finding, FindingClass, Side
from reconciliation.reconcile.record_comparison import compare

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import psycopg

    from reconciliation.binding_scope import BindingScope
    from reconciliation.mapping.merge import OnCrmEdit
    from reconciliation.reconcile.repair_policy import Policy

ORGANIZATION = "organization"


@dataclass(slots=True)
class CompanyComparison:
    """Compares companies and collects findings; `members` are contacts to be planned for a repair."""

    connection: psycopg.Connection
    identity: BindingScope
    policy: Policy
    on_crm_edit: OnCrmEdit
    findings: list[Finding] = field(default_factory=list)
    members: set[int] = field(default_factory=set)

    def one(self, row: Mapping[str, Any], custom: Mapping[str, Any]) -> None:
        """Compare one company; what Chatwoot says of it now is compared where its contacts are.

        Args:
            row: of its mapping (`id`, `source_id`: the folded name, `crm_id`, `last_sent`), with `facts` as
                Krayin's list shows them.
            custom: flat custom fields, which the list does not show, where they were read and differ.
        """
        folded_name, crm_id, facts = row["source_id"], row["crm_id"], row["facts"]
        found = []
        if fold_name(str(facts.get("name") or "")) != folded_name and not self._is_spelling(
            crm_id, fold_name(str(facts.get("name") or ""))
        ):
            detail = {"chatwoot": folded_name, "krayin": facts.get("name")}
            why = "none: an organization is never renamed"
            found.append(_changed(folded_name, crm_id, why, field="name", detail=detail))
        if row["last_sent"]:
            present = {**organization_fields(facts), **custom}
            found += self._edits(folded_name, crm_id, row["last_sent"], present)
        found = [self.policy.apply_declined(one) for one in found]
        self.findings += found
        if any(one.repairable and self.policy.repairs(one.kind) for one in found):
            self._forget([row["id"]], recreate=False)
            self.members.update(self._members([folded_name])[:1])

    def gone(self, rows: Sequence[tuple[int, str]]) -> None:
        """Take up companies whose organization was deleted in Krayin: mapping row and folded name."""
        for row_id, folded_name in rows:
            members = self._members([folded_name])
            if not members:
                continue
            again = self.policy.recreate
            self.findings.append(
                Finding.stale(
                    "make the organization again and link its persons",
                    again=again,
                    calls=len(members),
                    source_kind="company",
                    source_id=folded_name,
                    crm_kind=ORGANIZATION,
                )
            )
            if again and self.policy.repairs(FindingClass.STALE_MAPPING):
                self._forget([row_id], recreate=True)
                self.connection.execute(
                    statement("mapping/forget_organization"),
                    {**self.identity.parameters(), "contact_ids": [str(one) for one in members]},
                )
                self.members.update(members)

    def _edits(
        self, folded_name: str, crm_id: int, last_sent: Mapping[str, Any], present: Mapping[str, Any]
    ) -> list[Finding]:
        # A line that an emptied form does not have any more is blank.
        lines = {name: present.get(name) for name in last_sent if name.startswith(ADDRESS_PREFIX)}
        shown = {**present, **lines}
        return [
            _changed(
                folded_name,
                crm_id,
                "write Chatwoot's value" if one.writes else KEPT,
                field=one.field,
                detail={"chatwoot": one.wanted, "krayin": one.shown},
                calls=int(one.writes and place == 0),
                repairable=one.writes,
            )
            for place, one in enumerate(
                compare(last_sent=last_sent, present=shown, desired=last_sent, on_crm_edit=self.on_crm_edit)
            )
        ]

    def _is_spelling(self, crm_id: int, folded_name: str) -> bool:
        names = known_names(self.connection, self.identity.target_id, [crm_id])
        return folded_name in names.get(crm_id, ())

    def _members(self, folded_names: Sequence[str]) -> list[int]:
        rows = self.connection.execute(
            statement("organization_member/by_organization"),
            {**self.identity.parameters(), "folded_names": list(folded_names)},
        )
        return [row[1] for row in rows]

    def _forget(self, ids: Sequence[int], *, recreate: bool) -> None:
        self.connection.execute(statement("mapping/forget"), {"ids": list(ids), "recreate": recreate})


def _changed(folded_name: str, crm_id: int, repair: str, **facts: Any) -> Finding:
    return Finding(
        FindingClass.CHANGED,
        repair,
        source_kind="company",
        source_id=folded_name,
        crm_kind=ORGANIZATION,
        crm_id=crm_id,
        side=Side.THEIRS,
        **facts,
    )
