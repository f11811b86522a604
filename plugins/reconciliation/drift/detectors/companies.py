"""Organizations that somebody renamed, edited or deleted in Krayin; what Chatwoot says is for the planner."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from krayin.text import fold_name

from reconciliation.crm.fields import ORGANIZATION, emptied_lines, organization_fields
from reconciliation.drift.field_differences import compare, findings_of
from reconciliation.drift.finding import Finding, FindingClass, Side
from reconciliation.store.mapping_store import known_names

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from reconciliation.drift.context import Drift
    from reconciliation.drift.detectors.crm_edits import CrmEdits
    from reconciliation.plan.contact import Rules


def companies_in_krayin(drift: Drift, edits: CrmEdits) -> Iterator[Finding]:
    """Yield what somebody changed or deleted of organizations in Krayin."""
    ids = [row["crm_id"] for row in edits.companies]
    names = known_names(drift.connection, drift.identity.target_id, ids)
    for row in edits.companies:
        crm_id = row["crm_id"]
        custom = edits.custom.get((ORGANIZATION, crm_id), {})
        yield from edited_company(row, custom, names.get(crm_id, ()), drift.parts.rules())
    for row in edits.deleted_companies:
        members = len(drift.members(row["source_id"]))
        yield from deleted_company(row, members, recreate=drift.policy.recreate)


def edited_company(
    row: Mapping[str, Any], custom: Mapping[str, Any], known: Collection[str], rules: Rules
) -> Iterator[Finding]:
    """Yield what somebody changed of a company's organization.

    Args:
        row: of its mapping (`id`, `source_id`: the folded name, `crm_id`, `last_sent`), with `facts` as
            Krayin's list shows them.
        custom: flat custom fields, which the list does not show, where they were read and differ.
        known: the folded names under which we know the organization.
        rules: whose values count.
    """
    facts, last_sent = row["facts"], row["last_sent"]
    shown_name = fold_name(str(facts.get("name") or ""))
    if shown_name not in {row["source_id"], *known}:
        yield Finding(
            FindingClass.CHANGED,
            "none: an organization is never renamed",
            **_company(row),
            side=Side.THEIRS,
            field="name",
            detail={"chatwoot": row["source_id"], "krayin": facts.get("name")},
        )
    if last_sent:
        shown = {**emptied_lines(last_sent), **organization_fields(facts), **custom}
        differences = compare(
            last_sent=last_sent,
            present=shown,
            desired=last_sent,
            on_crm_edit=rules.on_crm_edit,
            policies=rules.policies_of(ORGANIZATION),
        )
        yield from findings_of(differences, **_company(row))


def deleted_company(row: Mapping[str, Any], members: int, *, recreate: bool) -> Iterator[Finding]:
    """Yield a company whose organization was deleted, if any contacts name it: their number is `members`."""
    if members:
        yield Finding.stale(
            "make the organization again and link its persons",
            again=recreate,
            calls=members,
            **_company(row),
        )


def _company(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "source_kind": "company",
        "source_id": row["source_id"],
        "crm_kind": ORGANIZATION,
        "crm_id": row.get("crm_id"),
        "row_id": row["id"],
    }
