"""The flat fields of Krayin's records: how each kind is read, kept, merged and written back.

A record comes in three forms. Its *columns* are what a list shows, under the names Krayin stores them by; its
*facts* are what is kept of it in `crm_snapshot`; its *fields* are flat, under the names that are merged.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Generic

from krayin.payloads import Labelled, LeadDraft, LeadUpdate, OrganizationUpdate, PersonDraft, PersonUpdate
from krayin.records import Activity, Lead, Organization, Person, Shown, labelled_rows
from krayin.text import fold_name

from reconciliation.model.comment import comment_mark
from reconciliation.model.contact import ADDRESS_ATTRIBUTES, natural_keys
from reconciliation.model.desired_activity import KEY
from reconciliation.model.field_source import CUSTOM_PREFIX
from reconciliation.model.merge import same_value
from reconciliation.model.stored_text import stored_text

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from datetime import datetime

    from reconciliation.model.desired_activity import DesiredActivity
    from reconciliation.model.desired_contact import Fields
    from reconciliation.model.merge import Merged
    from reconciliation.settings.targets import LeadTargets

CLOSE_DATE = "expected_close_date"
ADDRESS_PREFIX = "address."
"""How the lines of an organization's address are called."""

# --- columns: what a list shows, as Krayin stores it ------------------------------------------


def person_columns(person: Person) -> dict[str, Any]:
    """Return the columns of a person under the names Krayin stores them by."""
    organization = None
    if person.organization_id is not None:
        organization = {"id": person.organization_id, "name": person.organization_name}
    return {
        "name": person.name,
        "emails": [row.to_row() for row in person.emails],
        "contact_numbers": [row.to_row() for row in person.contact_numbers],
        "job_title": person.job_title,
        "user_id": person.owner_id,
        "organization_id": person.organization_id,
        "organization": organization,
    }


def lead_columns(lead: Lead, copy: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns of a lead that are merged or must be sent along; `copy` is it by `lookup-entity`."""
    return {
        "title": lead.title,
        "description": lead.description,
        "lead_value": lead.lead_value,
        CLOSE_DATE: lead.close_date(day(copy.get(CLOSE_DATE))),
    }


def organization_columns(organization: Organization) -> dict[str, Any]:
    """Return the columns of an organization under the names Krayin stores them by."""
    return {"name": organization.name, "address": organization.address}


# --- facts: what is kept of a list ------------------------------------------------------------


def person_facts(person: Person) -> dict[str, Any]:
    """Return what is kept of a person: the fields that matching, forecasts and comparisons look at."""
    return {
        "name": person.name,
        "emails": [row.value for row in person.emails],
        "phones": [row.value for row in person.contact_numbers],
        "job_title": person.job_title,
        "organization_id": person.organization_id,
        "organization_name": person.organization_name,
        "owner_id": person.owner_id,
    }


def lead_facts(lead: Lead) -> dict[str, Any]:
    """Return what is kept of a lead."""
    return {
        "title": lead.title,
        "description": lead.description,
        "lead_value": None if lead.lead_value is None else str(lead.lead_value),
        "person_id": lead.person_id,
        "pipeline_id": lead.pipeline_id,
        "stage_id": lead.stage_id,
    }


def activity_facts(activity: Activity) -> dict[str, Any]:
    """Return what is kept of an activity: the comment as a mark only, moments in ISO form, UTC."""
    return {
        "type": activity.type,
        "title": activity.title,
        "comment": comment_mark(activity.comment),
        "is_done": activity.is_done,
        "schedule_from": _iso(activity.schedule_from),
        "schedule_to": _iso(activity.schedule_to),
        "ours": KEY in activity.additional,
    }


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


# --- fields: what is merged -------------------------------------------------------------------


def person_fields(stored: Mapping[str, Any], custom_codes: Iterable[str] = ()) -> dict[str, Any]:
    """Return the flat fields of a person as stored (see `lookup-entity`)."""
    organization = stored.get("organization")
    fields: dict[str, Any] = {
        "name": stored.get("name"),
        "emails": [row.value for row in labelled_rows(stored.get("emails"))],
        "phones": [row.value for row in labelled_rows(stored.get("contact_numbers"))],
        "job_title": stored.get("job_title"),
        "organization": organization.get("name") if isinstance(organization, dict) else None,
        "organization_id": stored.get("organization_id"),
    }
    return fields | custom_fields(stored, custom_codes)


def listed_person(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the flat fields of a person from its facts; other kinds are named there as they are stored."""
    return {
        **{name: facts.get(name) for name in ("name", "emails", "phones", "job_title")},
        "organization": facts.get("organization_name"),
        "organization_id": facts.get("organization_id"),
    }


def called_by_company(
    person: Mapping[str, Any], known: Mapping[int, Collection[str]], *companies: str | None
) -> dict[str, Any]:
    """Return a person's flat fields; its organization goes by the company we know it for.

    `known` are the folded names under which organizations are known to us: a person who is in the
    organization of one of `companies` (the wanted one, the one last sent) has that company, whatever
    somebody renamed the organization to, and whichever names Krayin's database takes for one.
    """
    names = known.get(person["organization_id"] or 0, ())
    meant = (company for company in companies if company and fold_name(company) in names)
    return {**person, "organization": next(meant, person["organization"])}


def lead_fields(stored: Mapping[str, Any], custom_codes: Iterable[str] = ()) -> dict[str, Any]:
    """Return the flat fields of a lead as stored (see `lookup-entity`)."""
    fields = {
        "title": stored.get("title"),
        "lead_value": None
        if same_value("lead_value", stored.get("lead_value"), None)
        else stored["lead_value"],
        "description": stored.get("description"),
    }
    return fields | custom_fields(stored, custom_codes)


def organization_fields(stored: Mapping[str, Any], custom_codes: Iterable[str] = ()) -> dict[str, Any]:
    """Return the flat fields of an organization as stored; the address one field for each of its lines."""
    fields = {f"{ADDRESS_PREFIX}{key}": value for key, value in _address(stored.get("address")).items()}
    return fields | custom_fields(stored, custom_codes)


def emptied_lines(sent: Iterable[str]) -> dict[str, None]:
    """Return the lines of an address among the fields once sent: those that a form lacks now are blank."""
    return {name: None for name in sent if name.startswith(ADDRESS_PREFIX)}


def _address(stored: Any) -> Mapping[str, Any]:
    # Krayin keeps whatever shape another program sent; what was one text becomes the street line.
    match stored:
        case dict():
            return stored
        case list():
            return {"address": ", ".join(str(line) for line in stored)} if stored else {}
        case None | "":
            return {}
        case _:
            return {"address": str(stored)}


def custom_fields(stored: Mapping[str, Any], codes: Iterable[str]) -> dict[str, Any]:
    """Return the flat custom fields of any record as stored."""
    return {f"{CUSTOM_PREFIX}{code}": stored.get(code) for code in codes}


def activity_sent(activity: DesiredActivity, link: Mapping[str, int]) -> dict[str, Any]:
    """Return the fields of an activity as they are kept once sent, like its facts; a note has no schedule."""
    schedule = {"schedule_from": activity.start.isoformat(), "schedule_to": activity.end.isoformat()}
    return {
        "title": stored_text(activity.title),
        "comment": comment_mark(activity.comment),
        **({} if activity.type == "note" else schedule),
        "is_done": activity.is_done,
        **link,
    }


# --- what goes out ----------------------------------------------------------------------------


def booleans_of(
    stored: Mapping[str, Any], codes: Sequence[str], merged: Mapping[str, Any] | None = None
) -> dict[str, bool]:
    """Return every custom boolean with the value to keep or set: an absent one would be reset to 0."""
    wanted = merged or {}
    return {code: bool(int(wanted.get(f"{CUSTOM_PREFIX}{code}", stored.get(code)) or 0)) for code in codes}


def _changed_custom(merged: Merged, booleans: Sequence[str]) -> dict[str, Any]:
    return {
        name.removeprefix(CUSTOM_PREFIX): merged.values[name] if merged.values[name] is not None else ""
        for name in merged.changed
        if name.startswith(CUSTOM_PREFIX) and name.removeprefix(CUSTOM_PREFIX) not in booleans
    }


def person_update(stored: Mapping[str, Any], merged: Merged, booleans: Sequence[str]) -> PersonUpdate:
    """Return the PUT that brings a person from `stored` to `merged` and changes nothing else."""
    values = merged.values
    organization_changed = "organization" in merged.changed
    organization = values["organization"] if organization_changed else None
    emails = _rows(values["emails"], stored.get("emails"))
    phones = labelled_rows(stored.get("contact_numbers"))
    return PersonUpdate(
        name=values["name"],
        # An empty list may be refused where it was empty before: a person made without e-mails on MySQL.
        emails=emails if emails or stored.get("emails") else None,
        contact_numbers=_rows(values["phones"], stored.get("contact_numbers")),
        frees_phones=bool(phones) and not values["phones"],
        user_id=stored.get("user_id"),
        organization_id=None if organization_changed else stored.get("organization_id"),
        organization_name=organization,
        job_title=(values["job_title"] or "") if "job_title" in merged.changed else None,
        booleans=booleans_of(stored, booleans, values),
        custom=_changed_custom(merged, booleans),
    )


def lead_update(stored: Mapping[str, Any], merged: Merged, booleans: Sequence[str]) -> LeadUpdate:
    """Return the PUT that brings a lead from `stored` to `merged` and changes nothing else."""
    changes: dict[str, Any] = {"custom": _changed_custom(merged, booleans)}
    if "title" in merged.changed:
        changes["title"] = merged.values["title"]
    if "description" in merged.changed:
        changes["description"] = merged.values["description"] or ""
    if "lead_value" in merged.changed:
        # The column cannot be emptied over the API; nought is what an empty form gives.
        changes["lead_value"] = Decimal(merged.values["lead_value"] or 0)
    return stored_lead_update(stored, booleans, merged.values, **changes)


def stored_lead_update(
    stored: Mapping[str, Any],
    booleans: Sequence[str],
    merged: Mapping[str, Any] | None = None,
    **changes: Any,
) -> LeadUpdate:
    """Return the PUT that changes these keys of a lead and keeps whatever an absent one would wipe."""
    return LeadUpdate(
        expected_close_date=day(stored.get(CLOSE_DATE)),
        booleans=booleans_of(stored, booleans, merged),
        **changes,
    )


def organization_update(
    stored: Mapping[str, Any], merged: Merged, booleans: Sequence[str]
) -> OrganizationUpdate:
    """Return the PUT that brings an organization from `stored` to `merged`; it is never renamed."""
    changes: dict[str, Any] = {}
    if any(name.startswith(ADDRESS_PREFIX) for name in merged.changed):
        # Krayin's own form always writes all of its lines.
        changes["address"] = dict.fromkeys(ADDRESS_ATTRIBUTES, "") | {
            name.removeprefix(ADDRESS_PREFIX): value if value is not None else ""
            for name, value in merged.values.items()
            if name.startswith(ADDRESS_PREFIX)
        }
    return OrganizationUpdate(
        booleans=booleans_of(stored, booleans, merged.values),
        custom=_changed_custom(merged, booleans),
        **changes,
    )


def person_draft(
    person: Fields, *, owner_id: int | None, booleans: Sequence[str], email_required: bool = True
) -> PersonDraft:
    """Return the person to create from mapped fields; without e-mails for a Krayin that takes none."""
    return PersonDraft(
        name=person["name"],
        emails=None
        if email_required and not person["emails"]
        else tuple(Labelled(value=value) for value in person["emails"]),
        contact_numbers=tuple(Labelled(value=value) for value in person["phones"]),
        job_title=person.get("job_title"),
        organization_name=person["organization"],
        user_id=owner_id,
        **_given_custom(person, booleans),
    )


def lead_draft(
    lead: Fields,
    targets: LeadTargets,
    *,
    booleans: Sequence[str],
    person: PersonDraft | None = None,
    person_id: int | None = None,
) -> LeadDraft:
    """Return the lead to create from mapped fields, with a new person or for one that exists."""
    return LeadDraft(
        title=lead["title"],
        description=lead["description"] or None,
        lead_value=None if lead.get("lead_value") is None else Decimal(lead["lead_value"]),
        lead_pipeline_stage_id=targets.stage_id,
        lead_source_id=targets.source_id,
        lead_type_id=targets.type_id,
        user_id=targets.owner_id,
        person=person,
        person_id=person_id,
        **_given_custom(lead, booleans),
    )


def _given_custom(fields: Fields, booleans: Sequence[str]) -> dict[str, Any]:
    given = {code: value for code, value in (fields.get("custom") or {}).items() if value not in (None, [])}
    return {
        "booleans": {code: bool(int(given[code])) for code in booleans if code in given},
        "custom": {code: value for code, value in given.items() if code not in booleans},
    }


def _rows(values: Sequence[str], stored: Any) -> tuple[Labelled, ...]:
    # A value that stays keeps its label and whatever other programs put beside it.
    there = {row.value: row for row in labelled_rows(stored)}
    return tuple(there.get(value) or Labelled(value=value) for value in values)


def day(value: Any) -> date | None:
    """Return a date as stored (`2030-01-31`, also with a time behind it), None for none or one of noughts."""
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(str(value or "").strip()[:10])
    except ValueError:
        return None


# --- lists ------------------------------------------------------------------------------------

PERSON, LEAD, ORGANIZATION, ACTIVITY = "person", "lead", "organization", "activity"
RECORDS: dict[str, type[Any]] = {PERSON: Person, LEAD: Lead, ORGANIZATION: Organization, ACTIVITY: Activity}
"""What the client calls the kinds of records."""


@dataclass(frozen=True, slots=True)
class Listing(Generic[Shown]):
    """One of Krayin's lists.

    `facts` gives what is kept of a record (JSON), `keys` by what it is found again. `is_whole` says that
    the list shows every record of its table, so that asking for ids shows none that is not in it.
    """

    crm_kind: str
    facts: Callable[[Shown], dict[str, Any]]
    keys: Callable[[Shown, dict[str, Any]], Sequence[str]]
    is_whole: bool = True


def persons(phone_region: str | None) -> Listing[Person]:
    """Return the list of persons; their keys are e-mails and phones, those of `phone_region` completed."""
    return Listing(
        PERSON, person_facts, lambda _, facts: natural_keys(facts["emails"], facts["phones"], phone_region)
    )


LEADS: Listing[Lead] = Listing(
    LEAD, lead_facts, lambda lead, _: () if lead.person_id is None else (f"person:{lead.person_id}",)
)
# Krayin itself keeps their names apart.
ORGANIZATIONS: Listing[Organization] = Listing(ORGANIZATION, organization_columns, lambda *_: ())
ACTIVITIES: Listing[Activity] = Listing(
    ACTIVITY,
    activity_facts,
    lambda activity, _: (f"{KEY}:{activity.additional[KEY]}",) if KEY in activity.additional else (),
    # Krayin's own entries lie between.
    is_whole=False,
)
