"""What to do about the reasons that stop a record, in words for a page."""

from __future__ import annotations

# What stops a record from being brought over, and what to do about it.
HINTS = {
    "activity_taken": "The activity belongs to another record, as after a restore of Krayin from a "
    "backup. Start krayin_recover.",
    "ambiguous_lead": "Several leads of the person could be the contact's. Delete or move the others in "
    "Krayin, then replay.",
    "ambiguous_person": "E-mail and phone point to different persons in Krayin. Say who it is (page Waiting "
    "for a decision), or merge them in Krayin and try again.",
    "chatwoot_not_seen": "Chatwoot did not show whether it is gone. It is looked up again by itself.",
    "contact_gone": "Its contact was deleted in Chatwoot; nothing to do.",
    "contact_not_linked": "It waits for its contact's person or lead. Find out why that one is missing.",
    "deleted_in_krayin": "It was deleted in Krayin, and recreate_deleted is off. Leave it so, or switch "
    "the setting on.",
    "deletions_limited": "Krayin allows 100 deletions of persons an hour: it waits for its turn.",
    "fails_in_krayin": "Krayin fails on this record each time. Look into Krayin's own log, then replay.",
    "id_reused": "Krayin gave its id to another record, as after a restore from a "
    "backup. Start krayin_recover.",
    "internal_error": "This program failed on it. Please report it with the task's log.",
    "invalid": "Krayin cannot hold it in this form. Correct the contact in Chatwoot; it is then "
    "planned again.",
    "lead_is_followed": "A new lead may follow its closed one. It is tried again by itself.",
    "left_out": "Somebody left it out. Take that decision back to be asked again.",
    "outcome_unknown": "No answer came. It is looked up in Krayin and repeated only if it is not there.",
    "person_has_leads": "The person has leads that are not ours: delete or move these in Krayin, "
    "then replay.",
    "person_taken": "The person in Krayin belongs to another contact. Merge the two contacts in Chatwoot, or "
    "say who it is (page Waiting for a decision).",
    "rejected": "Krayin refuses a value. The operation's message names the field: correct it in Chatwoot, "
    "then replay.",
    "server_failed": "Krayin failed; it is tried again by itself.",
    "address_refused": "Another person in Krayin has the e-mail or phone. Correct one of them, then replay.",
    "withdrawn": "Its record is in Chatwoot after all: nothing to do.",
}


def hint(reason: str | None) -> str:
    """Return what to do about a reason."""
    return HINTS.get(reason or "", "See the operation's message in the sync database.")
