"""What differs, and what to do about the reasons that stop a record, in words for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reconciliation.drift.finding import FindingClass, Side

if TYPE_CHECKING:
    from collections.abc import Mapping

_WHOLE = {
    FindingClass.MISSING: "Krayin has no {record} for the {source}",
    FindingClass.CHANGED: "The {record} in Krayin is not as Chatwoot has it",
    FindingClass.DUPLICATE: "Krayin has this {record} twice",
    FindingClass.ORPHAN: "The {source} is gone in Chatwoot, its {record} is still in Krayin",
    FindingClass.UNMAPPED: "Krayin has a {record} for the {source} that is not linked to it",
    FindingClass.STALE_MAPPING: "Somebody deleted the {record} in Krayin",
    FindingClass.QUARANTINED: "The {source} could not be brought over: somebody has to decide",
    FindingClass.UNKNOWN: "Krayin gave no answer: whether it has the {record} is looked up",
    FindingClass.TRUNCATED: "The {record} was cut to fit into Krayin",
    FindingClass.MOVED_STAGE: "The lead stands before the stage that its conversations have reached",
}
_FIELD = {
    (FindingClass.CHANGED, Side.OURS): "The {field} changed in Chatwoot; the {record} in Krayin has another",
    (FindingClass.CHANGED, Side.THEIRS): "Krayin's {record} has a salesperson's own {field}",
    (FindingClass.TRUNCATED, Side.OURS): "The {field} is too long for the {record} in Krayin and was cut",
}
_NAMES = {"emails": "e-mail addresses", "phones": "phone numbers", "is_done": "mark that it is done",
          "comment": "text", "person": "person linked to it"}  # fmt: skip


def difference(row: Mapping[str, Any]) -> str:
    """Return what a difference is, in one sentence without values.

    `row` has the columns class, side, field, source_kind and crm_kind of a finding.
    """
    kind = FindingClass(row["class"])
    side = Side.OURS if kind is FindingClass.TRUNCATED or row["side"] is None else Side(row["side"])
    text = _FIELD.get((kind, side)) if row["field"] else None
    return (text or _WHOLE[kind]).format(
        field=field_name(row["field"] or ""),
        record=row["crm_kind"] or "record",
        source=row["source_kind"] or "record",
    )


def field_name(field: str) -> str:
    """Return what people call a field."""
    return _NAMES.get(field, field.removeprefix("custom.").replace("_", " "))


# What stops a record from being brought over, and what to do about it.
HINTS = {
    "activity_taken": "The activity belongs to another record, as after a restore of Krayin from a "
    "backup. Start krayin_recover.",
    "ambiguous_lead": "Several leads of the person could be the contact's. Say which one it is, or delete or "
    "close the others in Krayin and try again.",
    "ambiguous_person": "E-mail and phone point to different persons in Krayin. Say who it is, or merge them "
    "in Krayin and try again.",
    "chatwoot_not_seen": "Chatwoot did not show whether it is gone. It is looked up again by itself.",
    "contact_gone": "Its contact was deleted in Chatwoot; nothing to do.",
    "contact_not_linked": "It waits for its contact's person or lead. Find out why that one is missing.",
    "deleted_in_krayin": "It was deleted in Krayin, and recreate_deleted is off. Leave it so, or switch "
    "the setting on.",
    "deletions_limited": "Krayin allows 100 deletions of persons an hour: it waits for its turn.",
    "fails_in_krayin": "Krayin fails on this record each time. Look into Krayin's own log, then try again.",
    "id_reused": "Krayin gave its id to another record, as after a restore from a "
    "backup. Start krayin_recover.",
    "internal_error": "This program failed on it. Please report it with the task's log.",
    "invalid": "Krayin cannot hold it in this form. Correct the contact in Chatwoot; it is then "
    "planned again.",
    "lead_is_followed": "A new lead may follow its closed one. It is tried again by itself.",
    "left_out": "Somebody left it out. Take that decision back to be asked again.",
    "outcome_unknown": "No answer came. It is looked up in Krayin and repeated only if it is not there.",
    "person_has_leads": "The person has leads that are not ours: delete or move these in Krayin, "
    "then try again.",
    "person_taken": "The person in Krayin belongs to another contact. Merge the two contacts in Chatwoot, or "
    "say who it is.",
    "rejected": "Krayin refuses a value. The operation's message names the field: correct it in Chatwoot, "
    "then try again.",
    "server_failed": "Krayin failed; it is tried again by itself.",
    "address_refused": "Another person in Krayin has the e-mail or phone. Correct one of them, then try "
    "again.",
    "withdrawn": "Its record is in Chatwoot after all: nothing to do.",
}

# Why a contact that was looked at just now is not brought over: a `Skip`, or what kept it from being mapped.
NOT_BROUGHT_OVER = {
    "no_email_or_phone": "In Chatwoot it has neither e-mail nor phone",
    "phone_only": "In Chatwoot it has a phone only, and the settings leave it out",
    "blocked": "It is blocked in Chatwoot",
    "before_history": "It was last active before the history that is brought over",
    "out_of_scope": "The rule contacts.where leaves it out",
    "not_in_chatwoot": "Chatwoot does not have it, or not in the inboxes of this sync",
    "unreadable": "Its row in Chatwoot cannot be read",
}


def hint(reason: str | None) -> str:
    """Return what to do about a reason."""
    return HINTS.get(reason or "", "See the operation's message in the sync database.")
