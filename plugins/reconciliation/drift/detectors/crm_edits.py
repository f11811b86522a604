"""Records that somebody edited or deleted in Krayin, as its lists show them; Chatwoot is not asked."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from psycopg.rows import dict_row
from statements import statement

from reconciliation.crm.fields import lead_fields, listed_person
from reconciliation.drift.field_differences import activity_differences, edited
from reconciliation.extract.streams import ACTIVITIES, LEAD
from reconciliation.model.desired_contact import contact_of
from reconciliation.model.field_source import CUSTOM_PREFIX
from reconciliation.model.merge import same_value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciliation.crm.lists import CrmLists
    from reconciliation.drift.context import CustomFields, Drift

log = logging.getLogger(__name__)

CHUNK = 500
# Ids for which custom fields are read at once.
CUSTOM_CHUNK = 25


@dataclass(slots=True)
class CrmEdits:
    """What looks edited or was deleted: contacts by their ids, the rest as rows of the mapping."""

    contacts: set[int] = field(default_factory=set)
    activities: list[Mapping[str, Any]] = field(default_factory=list)
    companies: list[Mapping[str, Any]] = field(default_factory=list)
    deleted_activities: list[Mapping[str, Any]] = field(default_factory=list)
    deleted_companies: list[Mapping[str, Any]] = field(default_factory=list)
    custom: CustomFields = field(default_factory=dict)


def read_lists(drift: Drift, lists: CrmLists) -> dict[str, int]:
    """Read Krayin's lists as deep as asked for; return how many records had changed, if that is known."""
    if drift.named:
        ids = [str(one) for one in drift.named]
        rows = drift.rows("mapping/of_record", source_kind="contact", source_ids=ids)
        rows += drift.rows("mapping/further_leads", contact_ids=ids)
        for kind in ("person", "lead"):
            lists.missing(kind, [row["crm_id"] for row in rows if row["crm_kind"] == kind and row["crm_id"]])
    elif drift.depth == "changed":
        return lists.refresh()
    else:
        for kind, number in lists.read_fully().items():
            if number:
                log.info("%d of our %s records were deleted in Krayin", number, kind)
    return {}


def find_edits(drift: Drift, lists: CrmLists) -> CrmEdits:
    """Return what differs from what was sent, and what was deleted, now or earlier."""
    edits = CrmEdits(contacts=set(drift.named))
    if not drift.named:
        _find_edited(drift, edits)
        if drift.depth == "full":
            _find_custom(drift, lists, edits)
    deleted = {spec.kind: edits.deleted_activities for spec in ACTIVITIES}
    deleted["company"] = edits.deleted_companies
    for row in drift.rows("mapping/gone"):
        if row["source_kind"] in {"contact", LEAD} and not drift.named:
            edits.contacts.add(contact_of(row["source_id"]))
        elif row["source_kind"] in deleted and not drift.named:
            deleted[row["source_kind"]].append(row)
    return edits


def _find_edited(drift: Drift, edits: CrmEdits) -> None:
    again = [row[0] for row in drift.execute("finding/again")]
    with drift.connection.transaction(), drift.connection.cursor("due", row_factory=dict_row) as cursor:
        cursor.itersize = CHUNK
        cursor.execute(
            statement("mapping/due"),
            {**drift.identity.parameters(), "everything": drift.depth == "full", "again": again},
        )
        for row in cursor:
            if row["crm_kind"] == "organization":
                edits.companies.append(row)
            elif row["crm_kind"] == "activity":
                if activity_differences(row["last_sent"] or {}, row["facts"]):
                    edits.activities.append(row)
            elif looks_edited(row, drift.settings.default_phone_region):
                edits.contacts.add(contact_of(row["source_id"]))


def looks_edited(row: Mapping[str, Any], phone_region: str | None) -> bool:
    """Tell whether a person or lead differs from what was sent to it, or was not sent all of it."""
    facts, is_lead = row["facts"], row["crm_kind"] == "lead"
    if is_lead and (
        facts["person_id"] != row["person_id"] or row["stage_id"] not in {None, facts["stage_id"]}
    ):
        return True
    unsent = row["acked_hash"] != row["source_hash"] or row["pending_write"]
    listed = lead_fields(facts) if is_lead else listed_person(facts)
    return bool(unsent or edited(row["last_sent"] or {}, listed, phone_region))


def _find_custom(drift: Drift, lists: CrmLists, edits: CrmEdits) -> None:
    """Read the custom fields that this sync fills; the lists do not show them. Keep those that differ."""
    for kind, codes in drift.settings.filled.items():
        if not codes:
            continue
        of_companies = kind == "organization"
        rows = [
            row
            for row in (edits.companies if of_companies else drift.rows("mapping/linked", crm_kind=kind))
            if any(name.startswith(CUSTOM_PREFIX) for name in row["last_sent"] or {})
        ]
        for first in range(0, len(rows), CUSTOM_CHUNK):
            chunk = rows[first : first + CUSTOM_CHUNK]
            shown = lists.custom(drift.parts.krayin.catalogue, kind, [row["crm_id"] for row in chunk])
            for row in chunk:
                fields, sent = shown.get(row["crm_id"], {}), row["last_sent"]
                # Also what somebody filled that was sent blank: what Chatwoot says of it by now decides.
                if any(name in sent and not same_value(name, fields[name], sent[name]) for name in fields):
                    edits.custom[kind, row["crm_id"]] = fields
                    if not of_companies:
                        edits.contacts.add(contact_of(row["source_id"]))
