"""Every way in which a Chatwoot contact may already be in a Krayin that people work with, and what must follow."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

REGION = "DE"
OURS, OTHER = 1, 2
# Stages of the pipelines: Krayin's own comes with 1 (new) to 6 (lost), the other one is planted after it.
NEW, PROSPECT, WON, LOST = 1, 3, 5, 6
OTHER_STAGE = 7

ADOPTED, CREATED = "adopted", "created"


def national(number: int) -> str:
    return f"030 {number // 1000:04d} {number % 1000:03d}"


def international(number: int) -> str:
    return f"+4930{number:07d}"


def spaced(number: int) -> str:
    return f"+49 (30) {number // 1000:04d}-{number % 1000:03d}"


@dataclass
class Contact:
    """A contact of one mixture and what must become of it.

    `person` and `lead` say what becomes of the two records, `reason` why it is quarantined; `at` is
    the place of the person it must be linked to among the mixture's persons, `lead_at` the same for
    its lead; `filled` names the columns of that person that were blank and are not any more.
    """

    columns: dict[str, Any]
    person: str | None = ADOPTED
    lead: str | None = CREATED
    reason: str | None = None
    at: int | None = 0
    lead_at: int | None = None
    filled: frozenset[str] = frozenset()
    lead_filled: frozenset[str] = frozenset()
    earlier: Callable[[list[int], list[int]], str] | None = None


@dataclass
class Mixture:
    """Persons and leads that Krayin has (a lead names its person by place) and contacts Chatwoot has."""

    persons: list[dict[str, Any]] = field(default_factory=list)
    leads: list[dict[str, Any]] = field(default_factory=list)
    contacts: list[Contact] = field(default_factory=list)


def emails(*values: str) -> list[dict[str, str]]:
    return [{"value": value, "label": "work"} for value in values]


def phones(*values: str) -> list[dict[str, str]]:
    return [{"value": value, "label": "home"} for value in values]


def person(**columns: Any) -> dict[str, Any]:
    return {"name": "Known to Sales", "job_title": "Buyer", "contact_numbers": None, **columns}


def lead(at: int = 0, stage: int = NEW, **columns: Any) -> dict[str, Any]:
    return {
        "person": at,
        "title": "Typed by Sales",
        "description": "A talk at the fair",
        "lead_value": 750,
        "lead_pipeline_stage_id": stage,
        "lead_pipeline_id": OTHER if stage >= OTHER_STAGE else OURS,
        "lead_source_id": 1,
        "lead_type_id": 1,
        "expected_close_date": "2020-02-03" if stage == PROSPECT else "2131-04-05",
        **columns,
    }


def contact(n: int, **columns: Any) -> dict[str, Any]:
    return {"name": f"Chatwoot {n}", **columns}


def email_in_another_case(n: int) -> Mixture:
    return Mixture(
        [person(emails=emails(f"Case{n}@Example.COM"))],
        [],
        [Contact(contact(n, email=f"case{n}@example.com"))],
    )


def only_email_and_no_phone_there(n: int) -> Mixture:
    return Mixture(
        [person(emails=emails(f"only{n}@example.com"))],
        [],
        [
            Contact(
                contact(n, email=f"only{n}@example.com", phone_number=international(n)),
                filled=frozenset({"contact_numbers"}),
            )
        ],
    )


def another_phone_there_is_kept(n: int) -> Mixture:
    return Mixture(
        [person(emails=emails(f"kept{n}@example.com"), contact_numbers=phones(national(n)))],
        [],
        [Contact(contact(n, email=f"kept{n}@example.com", phone_number=international(n + 1)))],
    )


def no_job_title_there(n: int) -> Mixture:
    columns = contact(n, email=f"job{n}@example.com", custom_attributes={"job_title": "Engineer"})
    return Mixture(
        [person(emails=emails(f"job{n}@example.com"), job_title=None)],
        [],
        [Contact(columns, filled=frozenset({"job_title"}))],
    )


def only_phone_without_country_code(n: int) -> Mixture:
    return Mixture(
        [person(emails=emails(f"desk{n}@example.org"), contact_numbers=phones(national(n)))],
        [],
        [Contact(contact(n, phone_number=international(n)))],
    )


def phone_with_signs_and_no_email_there(n: int) -> Mixture:
    return Mixture(
        [person(emails=[], contact_numbers=phones(spaced(n)))],
        [],
        [
            Contact(
                contact(n, email=f"signs{n}@example.com", phone_number=international(n)),
                filled=frozenset({"emails"}),
            )
        ],
    )


def second_email_of_the_list(n: int) -> Mixture:
    return Mixture(
        [person(emails=emails(f"first{n}@example.org", f"second{n}@example.com"))],
        [],
        [Contact(contact(n, email=f"second{n}@example.com"))],
    )


def second_phone_of_the_list(n: int) -> Mixture:
    there = phones(national(n), spaced(n + 1))
    return Mixture(
        [person(emails=emails(f"phones{n}@example.org"), contact_numbers=there)],
        [],
        [Contact(contact(n, phone_number=international(n + 1)))],
    )


def both_on_one_person(n: int) -> Mixture:
    there = person(emails=emails(f"BOTH{n}@example.com"), contact_numbers=phones(national(n)))
    mine = contact(n, email=f"both{n}@example.com", phone_number=international(n))
    return Mixture([there], [], [Contact(mine)])


def split_over_two_persons(n: int) -> Mixture:
    return Mixture(
        [
            person(emails=emails(f"split{n}@example.com")),
            person(emails=emails(f"splot{n}@example.org"), contact_numbers=phones(national(n))),
        ],
        [lead(0)],
        [
            Contact(
                contact(n, email=f"split{n}@example.com", phone_number=international(n)),
                person=None, lead=None, reason="ambiguous_person", at=None,
            )
        ],
    )  # fmt: skip


def one_email_on_two_persons(n: int) -> Mixture:
    return Mixture(
        [
            person(emails=emails(f"twice{n}@example.com")),
            person(emails=emails(f"TWICE{n}@example.com"), contact_numbers=phones(national(n + 5))),
        ],
        [],
        [
            Contact(
                contact(n, email=f"twice{n}@example.com"),
                person=None, lead=None, reason="ambiguous_person", at=None,
            )
        ],
    )  # fmt: skip


def one_open_lead(n: int) -> Mixture:
    return Mixture(
        [person(emails=emails(f"lead{n}@example.com"))],
        [lead(stage=PROSPECT)],
        [Contact(contact(n, email=f"lead{n}@example.com"), lead=ADOPTED, lead_at=0)],
    )


def one_open_lead_with_blanks(n: int) -> Mixture:
    columns = contact(n, email=f"blank{n}@example.com", custom_attributes={"lead_value": "99.5"})
    return Mixture(
        [person(emails=emails(f"blank{n}@example.com"))],
        [lead(description=None, lead_value=0)],
        [
            Contact(
                columns, lead=ADOPTED, lead_at=0, lead_filled=frozenset({"description", "lead_value"})
            )
        ],
    )  # fmt: skip


def several_open_leads(n: int) -> Mixture:
    return Mixture(
        [person(emails=emails(f"several{n}@example.com"))],
        [lead(), lead(stage=PROSPECT)],
        [Contact(contact(n, email=f"several{n}@example.com"))],
    )


def won_and_lost_leads_only(n: int) -> Mixture:
    return Mixture(
        [person(emails=emails(f"closed{n}@example.com"))],
        [lead(stage=WON, closed_at="2025-01-02 03:04:05"), lead(stage=LOST, lost_reason="Price")],
        [Contact(contact(n, email=f"closed{n}@example.com"))],
    )


def one_open_beside_a_won_lead(n: int) -> Mixture:
    return Mixture(
        [person(emails=emails(f"again{n}@example.com"))],
        [lead(stage=WON, closed_at="2025-01-02 03:04:05"), lead(stage=PROSPECT)],
        [Contact(contact(n, email=f"again{n}@example.com"), lead=ADOPTED, lead_at=1)],
    )


def lead_in_another_pipeline(n: int) -> Mixture:
    return Mixture(
        [person(emails=emails(f"other{n}@example.com"))],
        [lead(stage=OTHER_STAGE)],
        [Contact(contact(n, email=f"other{n}@example.com"))],
    )


def lead_here_and_in_another_pipeline(n: int) -> Mixture:
    return Mixture(
        [person(emails=emails(f"here{n}@example.com"))],
        [lead(stage=OTHER_STAGE), lead(stage=NEW)],
        [Contact(contact(n, email=f"here{n}@example.com"), lead=ADOPTED, lead_at=1)],
    )


def two_contacts_for_one_person(n: int) -> Mixture:
    return Mixture(
        [person(emails=emails(f"shared{n}@example.com"), contact_numbers=phones(national(n)))],
        [],
        [
            Contact(contact(n, email=f"shared{n}@example.com")),
            Contact(
                contact(n, phone_number=international(n)),
                person=None, lead=None, reason="person_taken", at=None,
            ),
        ],
    )  # fmt: skip


def earlier_ids(n: int) -> Mixture:
    """An earlier integration kept both ids: the contact's own e-mail is new, and two leads are open."""
    return Mixture(
        [person(emails=emails(f"formerly{n}@example.com"))],
        [lead(), lead(stage=PROSPECT)],
        [
            Contact(
                contact(n, email=f"nowadays{n}@example.com"),
                lead=ADOPTED,
                lead_at=1,
                earlier=lambda persons, leads: f"krayin:person:{persons[0]}|krayin:lead:{leads[1]}",
            )
        ],
    )


def earlier_ids_of_deleted_records(n: int) -> Mixture:
    return Mixture(
        [person(emails=emails(f"stale{n}@example.com"))],
        [],
        [
            Contact(
                contact(n, email=f"stale{n}@example.com"),
                earlier=lambda _persons, _leads: f"krayin:person:{900_000_000 + n}|krayin:lead:900000000",
            )
        ],
    )


def earlier_id_of_a_deleted_lead(n: int) -> Mixture:
    return Mixture(
        [person(emails=emails(f"half{n}@example.com"))],
        [lead(stage=PROSPECT)],
        [
            Contact(
                contact(n, email=f"half{n}@example.com"),
                lead=ADOPTED,
                lead_at=0,
                earlier=lambda persons, _leads: f"krayin:person:{persons[0]}|krayin:lead:900000000",
            )
        ],
    )


def earlier_ids_where_nothing_is_left(n: int) -> Mixture:
    return Mixture(
        contacts=[
            Contact(
                contact(n, email=f"nothing{n}@example.com"),
                person=CREATED,
                at=None,
                earlier=lambda _persons, _leads: f"krayin:person:{900_000_000 + n}",
            )
        ]
    )


def somebody_elses_placeholder(n: int) -> Mixture:
    return Mixture(
        [person(emails=emails(f"contact-{800_000_000 + n}@account-1.chatwoot.invalid"))],
        [],
        [Contact(contact(n, phone_number=international(n)), person=CREATED, at=None)],
    )


def an_extension_is_no_phone(n: int) -> Mixture:
    return Mixture(
        [person(emails=emails(f"ext{n}@example.org"), contact_numbers=phones("110"))],
        [],
        [Contact(contact(n, email=f"extension{n}@example.com"), person=CREATED, at=None)],
    )


def only_the_name_is_the_same(n: int) -> Mixture:
    return Mixture(
        [person(name=f"Chatwoot {n}", emails=emails(f"name{n}@example.org"))],
        [],
        [Contact(contact(n, email=f"namesake{n}@example.com"), person=CREATED, at=None)],
    )


def nobody_there(n: int) -> Mixture:
    columns = contact(n, email=f"new{n}@example.com", phone_number=international(n))
    return Mixture(contacts=[Contact(columns, person=CREATED, at=None)])


MIXTURES = (
    email_in_another_case,
    only_email_and_no_phone_there,
    another_phone_there_is_kept,
    no_job_title_there,
    only_phone_without_country_code,
    phone_with_signs_and_no_email_there,
    second_email_of_the_list,
    second_phone_of_the_list,
    both_on_one_person,
    split_over_two_persons,
    one_email_on_two_persons,
    one_open_lead,
    one_open_lead_with_blanks,
    several_open_leads,
    won_and_lost_leads_only,
    one_open_beside_a_won_lead,
    lead_in_another_pipeline,
    lead_here_and_in_another_pipeline,
    two_contacts_for_one_person,
    earlier_ids,
    earlier_ids_of_deleted_records,
    earlier_id_of_a_deleted_lead,
    earlier_ids_where_nothing_is_left,
    somebody_elses_placeholder,
    an_extension_is_no_phone,
    only_the_name_is_the_same,
)
