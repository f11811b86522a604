"""The ways in which Krayin and Chatwoot come to differ: how each is planted and what must be found of it.

Every kind has a contact of its own, Ada, with person, lead, organization, a conversation and two
messages; some have a second one, Bob. `found` are the findings a comparison must report of them as
(class, CRM kind, field, side); `stays` those that a repair leaves, None for all of them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import psycopg

from sandbox.chatwoot import changes, conversations
from sandbox.chatwoot.insertion import insert_row

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.reconciliation.world import World

ACCOUNT = 1
LONG_AGO = datetime(2019, 1, 1, tzinfo=UTC)
Seen = tuple[str, str, str | None, str | None]
NOTHING: frozenset[Seen] = frozenset()


@dataclass
class Scenario:
    """A contact of one kind with all that belongs to it; ids of Chatwoot and Krayin."""

    world: World
    connection: psycopg.Connection[Any]
    number: int
    contact: int
    bob: int = 0
    talk: int = 0
    display_id: int = 0
    asked: int = 0
    said: int = 0
    inbox: int = 0
    agent: int = 0
    new: int = 0

    def sql(self, statement: str, **values: Any) -> None:
        """Write to Chatwoot as its own code does."""
        self.connection.execute(statement, {**vars(self), **values})

    def crm(self, kind: str, contact: int | None = None) -> int:
        """The id of the person or lead of the contact."""
        ((crm_id,),) = self.world.rows(
            "SELECT crm_id FROM mapping WHERE source_kind = 'contact' AND source_id = %s AND crm_kind = %s",
            str(contact or self.contact),
            kind,
        )
        return int(crm_id)

    @property
    def person(self) -> int:
        return self.crm("person")

    @property
    def lead(self) -> int:
        return self.crm("lead")

    @property
    def organization(self) -> int:
        rows = self.world.rows(
            "SELECT crm_id FROM mapping WHERE source_kind = 'company' AND source_id = %s",
            f"firm {self.number}",
        )
        return int(rows[0][0])

    @property
    def activity(self) -> int:
        """The activity of the conversation."""
        rows = self.world.rows(
            "SELECT crm_id FROM mapping WHERE source_kind = 'conversation' AND source_id = %s",
            str(self.display_id),
        )
        return int(rows[0][0])

    def edit_person(self, **changes: Any) -> None:
        """Change a person as Krayin's form does: it sends everything."""
        row = self.world.api("GET", f"contacts/persons/{self.person}")["data"]
        organization = row.get("organization") or {}
        body = {
            "name": row["name"],
            "emails": row["emails"],
            "contact_numbers": row["contact_numbers"],
            "job_title": row["job_title"],
            "organization_id": organization.get("id"),
            **changes,
        }
        self.world.api("PUT", f"contacts/persons/{self.person}", body)

    def edit_lead(self, **changes: Any) -> None:
        self.world.api("PUT", f"leads/attributes/edit/{self.lead}", changes)

    def seed(self, **batch: Any) -> dict[str, list[int]]:
        """Put records into Krayin past its API, as a race or an import does."""
        return self.world.krayin.seed(**batch)

    def attribute(self, **attributes: Any) -> None:
        """Set attributes as the company job does: without updated_at."""
        self.sql(
            "UPDATE contacts SET additional_attributes = additional_attributes || %(given)s::jsonb "
            "WHERE id = %(contact)s",
            given=json.dumps(attributes),
        )


@dataclass(frozen=True)
class Kind:
    """One way to differ; see the module."""

    name: str
    plant: Callable[[Scenario], object]
    found: frozenset[Seen]
    stays: frozenset[Seen] | None = NOTHING
    two: bool = False
    settings: dict[str, Any] = field(default_factory=dict)


def _kind(
    name: str,
    plant: Callable[[Scenario], object],
    *found: Seen,
    stays: tuple[Seen, ...] | None = (),
    two: bool = False,
) -> Kind:
    return Kind(name, plant, frozenset(found), None if stays is None else frozenset(stays), two)


def ours(crm_kind: str, *fields: str) -> tuple[Seen, ...]:
    return tuple(("changed", crm_kind, name, "ours") for name in fields)


def theirs(crm_kind: str, *fields: str) -> tuple[Seen, ...]:
    return tuple(("changed", crm_kind, name, "theirs") for name in fields)


def _merge(scenario: Scenario) -> None:
    changes.merge_contacts(scenario.connection, scenario.contact, scenario.bob)


def _merge_into_new(scenario: Scenario) -> None:
    scenario.new = changes.add_contact(
        scenario.connection, ACCOUNT, name=f"New {scenario.number}", email=f"new{scenario.number}@example.com"
    )
    changes.merge_contacts(scenario.connection, scenario.new, scenario.contact)


def _delete(scenario: Scenario) -> None:
    changes.delete_contact(scenario.connection, scenario.contact)


def _delete_wholly(scenario: Scenario) -> None:
    changes.delete_contact(scenario.connection, scenario.contact)
    changes.finish_deletion(scenario.connection, scenario.contact)


def _delete_conversation(scenario: Scenario) -> None:
    scenario.sql("DELETE FROM messages WHERE conversation_id = %(talk)s")
    scenario.sql("DELETE FROM conversations WHERE id = %(talk)s")


def _new_contact(scenario: Scenario, **columns: Any) -> None:
    scenario.new = changes.add_contact(
        scenario.connection,
        ACCOUNT,
        name=f"New {scenario.number}",
        email=f"new{scenario.number}@example.com",
        **columns,
    )


def _delete_records(scenario: Scenario) -> None:
    person = scenario.person
    scenario.world.api("DELETE", f"leads/{scenario.lead}")
    scenario.world.api("DELETE", f"contacts/persons/{person}")


def _forget_mapping(scenario: Scenario) -> None:
    """Lose the contact's rows, as when the sync database is restored from an older backup."""
    with psycopg.connect(scenario.world.sync_url, autocommit=True) as connection:
        connection.execute(
            "DELETE FROM krayin_sync.mapping WHERE source_kind IN ('contact', 'stage') AND source_id = %s",
            (str(scenario.contact),),
        )


def _twin_activity(scenario: Scenario) -> None:
    row = scenario.world.api("GET", f"activities/{scenario.activity}")["data"]
    scenario.world.api(
        "POST",
        "activities",
        {
            "type": "note",
            "title": row["title"],
            "comment": row["comment"],
            "additional": json.dumps(row["additional"]),
            "person_id": scenario.person,
        },
    )


def _second_lead(scenario: Scenario) -> None:
    scenario.world.api(
        "POST",
        "leads",
        {
            "title": "Once more",
            "lead_value": 1,
            "lead_pipeline_stage_id": 1,
            "person": {"id": scenario.person},
        },
    )


def _move_lead_away(scenario: Scenario) -> None:
    scenario.edit_lead(person_id=scenario.crm("person", scenario.bob))


def _unlink_lead(scenario: Scenario) -> None:
    scenario.edit_lead(person_id=None)


def _lose_answer(scenario: Scenario) -> None:
    """Leave an operation without a known outcome, as a lost answer does."""
    with psycopg.connect(scenario.world.sync_url, autocommit=True) as connection:
        connection.execute(
            """
            INSERT INTO krayin_sync.operation
                (run_id, sync_name, lane, target_id, scope_id, source_kind, source_id, payload,
                 source_read_at, forecast_calls, state, step, next_attempt_at)
            SELECT run_id, sync_name, lane, target_id, scope_id, source_kind, source_id, payload,
                   source_read_at, 1, 'unknown', 'update_lead', now() + interval '1 hour'
            FROM krayin_sync.operation WHERE source_kind = 'contact' AND source_id = %s AND state = 'done'
            """,
            (str(scenario.contact),),
        )


def _two_persons(scenario: Scenario) -> None:
    """A new contact whose e-mail one person has and whose phone another."""
    mail, phone = f"mail{scenario.number}@example.com", f"+4940999{scenario.number:04d}"
    none = [{"value": "", "label": "work"}]
    for name, emails, numbers in (
        ("Mail", [{"value": mail, "label": "work"}], none),
        (
            "Phone",
            [{"value": f"phone{scenario.number}@example.com", "label": "work"}],
            [{"value": phone, "label": "work"}],
        ),
    ):
        body = {"name": f"{name} {scenario.number}", "emails": emails, "contact_numbers": numbers}
        scenario.world.api("POST", "contacts/persons", body)
    scenario.new = changes.add_contact(
        scenario.connection, ACCOUNT, name=f"New {scenario.number}", email=mail, phone_number=phone
    )


def _known_person(scenario: Scenario) -> None:
    """A new contact whom a salesperson entered already."""
    mail = f"known{scenario.number}@example.com"
    body = {
        "name": f"Known {scenario.number}",
        "emails": [{"value": mail.upper(), "label": "work"}],
        "contact_numbers": [{"value": "", "label": "work"}],
    }
    scenario.world.api("POST", "contacts/persons", body)
    scenario.new = changes.add_contact(
        scenario.connection, ACCOUNT, name=f"Known {scenario.number}", email=mail
    )


def _same_mail_twice(scenario: Scenario) -> None:
    body = {
        "name": "Twin",
        "emails": [{"value": f"ADA{scenario.number}@Example.com", "label": "work"}],
        "contact_numbers": [{"value": "", "label": "work"}],
    }
    scenario.world.api("POST", "contacts/persons", body)


def _same_phone_twice(scenario: Scenario) -> None:
    phone = f"+49 30 1234 {scenario.number:04d}"
    body = {
        "name": "Twin",
        "emails": [{"value": f"twin{scenario.number}@example.com", "label": "work"}],
        "contact_numbers": [{"value": phone, "label": "work"}],
    }
    scenario.world.api("POST", "contacts/persons", body)


def _another_conversation(scenario: Scenario, **columns: Any) -> None:
    conversations.add_conversation(scenario.connection, scenario.contact, scenario.inbox, **columns)


def _say(scenario: Scenario, text: str, **columns: Any) -> None:
    conversations.add_message(scenario.connection, scenario.talk, text, **columns)


def _attach(scenario: Scenario) -> None:
    insert_row(
        scenario.connection,
        "attachments",
        {
            "account_id": ACCOUNT,
            "message_id": scenario.said,
            "file_type": 5,
            "fallback_title": "Map",
            "created_at": LONG_AGO,
            "updated_at": LONG_AGO,
        },
    )


TALKED = ours("activity", "comment")
RENAMED = (
    *ours("person", "name"),
    *ours("lead", "title"),
)

KINDS = (
    # Chatwoot's writes that leave updated_at alone or move it into the past.
    _kind("a company found by a job", lambda s: s.attribute(company_name=f"Other {s.number}"),
          *ours("person", "organization"), *ours("lead", "description"), *ours("organization", "address.city")),
    _kind("a label taken from a conversation",
          lambda s: s.sql("UPDATE conversations SET cached_label_list = 'bug' WHERE id = %(talk)s"), *TALKED),
    _kind("an agent removed from the account",
          lambda s: s.sql("UPDATE conversations SET assignee_id = NULL WHERE id = %(talk)s"), *TALKED),
    _kind("a team destroyed", lambda s: s.sql("UPDATE conversations SET team_id = NULL WHERE id = %(talk)s"), *TALKED),
    _kind("a user destroyed",
          lambda s: s.sql("UPDATE messages SET sender_id = NULL, sender_type = NULL WHERE id = %(said)s"),
          *ours("activity", "title", "comment")),
    _kind("an agent renamed", lambda s: s.sql("UPDATE users SET name = 'Nora', display_name = NULL WHERE id = %(agent)s")),
    _kind("an inbox renamed", lambda s: s.sql("UPDATE inboxes SET name = 'Shop' WHERE id = %(inbox)s")),
    _kind("a contact by CSV import", _new_contact, ("missing", "person", None, "ours")),
    _kind("a contact by an importer", lambda s: _new_contact(s, created_at=LONG_AGO, updated_at=LONG_AGO),
          ("missing", "person", None, "ours")),
    _kind("a contact overwritten by an import",
          lambda s: s.sql("UPDATE contacts SET phone_number = '+4940555' || %(number)s, updated_at = '2019-01-01' "
                          "WHERE id = %(contact)s"),
          *ours("person", "phones"), *ours("lead", "description")),
    _kind("a conversation by an importer",
          lambda s: _another_conversation(s, created_at=LONG_AGO, updated_at=LONG_AGO, last_activity_at=LONG_AGO),
          ("missing", "activity", None, "ours")),
    _kind("a message by an importer", lambda s: _say(s, "Old", created_at=LONG_AGO, touch=False),
          ("missing", "activity", None, "ours"), *TALKED),
    _kind("a message with the channel's time",
          lambda s: _say(s, "Hi", created_at=datetime(2026, 5, 5, 11, tzinfo=UTC), touch=False),
          ("missing", "activity", None, "ours"), *TALKED),
    _kind("a file attached later", _attach, *TALKED),
    # Chatwoot's ordinary writes.
    _kind("a contact renamed", lambda s: changes.update_contact(s.connection, s.contact, name="Ada L."), *RENAMED),
    _kind("another e-mail",
          lambda s: changes.update_contact(s.connection, s.contact, email=f"other{s.number}@example.com"),
          *ours("person", "emails"), *ours("lead", "description")),
    _kind("no phone any more", lambda s: changes.update_contact(s.connection, s.contact, phone_number=None),
          *ours("person", "phones"), *ours("lead", "description")),
    _kind("another job title", lambda s: s.attribute(job_title="Owner"),
          *ours("person", "job_title"), *ours("lead", "description")),
    _kind("another city", lambda s: s.attribute(city="Bonn"), *ours("lead", "description")),
    _kind("another value of the lead", lambda s: s.attribute(lead_value=70), *ours("lead", "lead_value")),
    _kind("a company's address", lambda s: s.attribute(company_city="Bonn"), *ours("organization", "address.city")),
    _kind("a conversation resolved",
          lambda s: conversations.change_conversation(s.connection, s.talk, status=1),
          *ours("activity", "comment", "is_done")),
    _kind("a priority set", lambda s: conversations.change_conversation(s.connection, s.talk, priority=2), *TALKED),
    _kind("a message deleted", lambda s: conversations.delete_message(s.connection, s.asked), *TALKED),
    _kind("a first answer that moves the lead",
          lambda s: s.sql("UPDATE conversations SET first_reply_created_at = '2026-05-05' WHERE id = %(talk)s"),
          ("moved_stage", "lead", "stage", "ours")),
    # Contacts and conversations that go.
    _kind("a merge of two that are both in Krayin", _merge,
          ("orphan", "person", None, None), *ours("activity", "contact"), two=True),
    _kind("a merge into a contact new to Krayin", _merge_into_new,
          ("orphan", "person", None, None), ("unmapped", "person", None, "ours")),
    _kind("a contact deleted, its conversations not yet", _delete, ("orphan", "person", None, None)),
    _kind("a contact deleted with all that was said", _delete_wholly,
          ("orphan", "person", None, None)),
    _kind("a conversation deleted", _delete_conversation, ("orphan", "activity", None, None)),
    _kind("a message destroyed", lambda s: s.sql("DELETE FROM messages WHERE id = %(said)s"),
          ("orphan", "activity", None, None), *TALKED),
    # What salespeople do in Krayin.
    _kind("a person renamed in Krayin", lambda s: s.edit_person(name="Countess"), *theirs("person", "name")),
    _kind("an e-mail taken away in Krayin",
          lambda s: s.edit_person(emails=[{"value": f"sales{s.number}@example.com", "label": "work"}]),
          *theirs("person", "emails")),
    _kind("a phone replaced in Krayin",
          lambda s: s.edit_person(contact_numbers=[{"value": f"+49401111{s.number:04d}", "label": "work"}]),
          *theirs("person", "phones")),
    _kind("a job title changed in Krayin", lambda s: s.edit_person(job_title="Queen"), *theirs("person", "job_title")),
    _kind("a person taken out of the organization", lambda s: s.edit_person(organization_id=None),
          *theirs("person", "organization")),
    _kind("a lead renamed in Krayin", lambda s: s.edit_lead(title="Big deal"), *theirs("lead", "title")),
    _kind("a lead's value changed in Krayin", lambda s: s.edit_lead(lead_value=1234), *theirs("lead", "lead_value")),
    _kind("a lead's description changed in Krayin", lambda s: s.edit_lead(description="Call her"),
          *theirs("lead", "description")),
    _kind("a lead given to another person", _move_lead_away, *theirs("lead", "person"), stays=None,
          two=True),
    _kind("a lead taken from its person", _unlink_lead, *theirs("lead", "person"), stays=None),
    _kind("a lead moved back", lambda s: s.world.api("PUT", f"leads/stage/edit/{s.lead}", {"lead_pipeline_stage_id": 1}),
          ("moved_stage", "lead", "stage", "theirs")),
    _kind("an activity renamed in Krayin",
          lambda s: s.world.api("PUT", f"activities/{s.activity}", {"title": "Chat"}), *theirs("activity", "title")),
    _kind("an activity rewritten in Krayin",
          lambda s: s.world.api("PUT", f"activities/{s.activity}", {"comment": "Nothing"}),
          *theirs("activity", "comment")),
    _kind("an activity marked done in Krayin",
          lambda s: s.world.api("PUT", f"activities/{s.activity}", {"is_done": 1}), *theirs("activity", "is_done")),
    _kind("an organization's address changed in Krayin",
          lambda s: s.world.api("PUT", f"contacts/organizations/{s.organization}",
                                {"address": {"address": "", "city": "Rome", "state": "", "country": "", "postcode": ""}}),
          *theirs("organization", "address.city")),
    _kind("an organization renamed in Krayin",
          lambda s: s.world.api("PUT", f"contacts/organizations/{s.organization}", {"name": f"Firm {s.number} & Sons"}),
          *theirs("organization", "name"), stays=None),
    _kind("a lead deleted in Krayin", lambda s: s.world.api("DELETE", f"leads/{s.lead}"),
          ("stale_mapping", "lead", None, None)),
    _kind("person and lead deleted in Krayin", _delete_records,
          ("stale_mapping", "person", None, None), ("stale_mapping", "lead", None, None),
          ("stale_mapping", "activity", None, None)),
    _kind("an activity deleted in Krayin", lambda s: s.world.api("DELETE", f"activities/{s.activity}"),
          ("stale_mapping", "activity", None, None)),
    _kind("an organization deleted in Krayin",
          lambda s: s.world.api("DELETE", f"contacts/organizations/{s.organization}"),
          ("stale_mapping", "organization", None, None), *theirs("person", "organization")),
    # Duplicates and what cannot be told apart.
    _kind("a second person with the e-mail", _same_mail_twice, ("duplicate", "person", None, "theirs"), stays=None),
    _kind("a second person with the phone", _same_phone_twice, ("duplicate", "person", None, "theirs"), stays=None),
    _kind("a second lead of the person", _second_lead, ("duplicate", "lead", None, "theirs"), stays=None),
    _kind("a second activity with our mark", _twin_activity, ("duplicate", "activity", None, "theirs"), stays=None),
    _kind("a mapping that was lost", _forget_mapping, ("unmapped", "person", None, "ours")),
    _kind("a new contact whom Krayin knows", _known_person, ("unmapped", "person", None, "ours")),
    _kind("a new contact who is two persons in Krayin", _two_persons, ("quarantined", "person", None, None), stays=None),
    _kind("a call whose outcome is not known", _lose_answer, ("unknown", "person", None, None), stays=None),
    # Values that do not fit.
    _kind("a name longer than Krayin's column",
          lambda s: s.sql("UPDATE contacts SET name = repeat('a', 300) WHERE id = %(contact)s"),
          ("truncated", "person", "name", "ours"), *RENAMED, stays=(("truncated", "person", "name", "ours"),)),
    _kind("a value beyond Krayin's column", lambda s: s.attribute(lead_value=10**12),
          ("truncated", "lead", "lead_value", "ours"), *ours("lead", "lead_value"),
          stays=(("truncated", "lead", "lead_value", "ours"),)),
    # What changes nothing.
    _kind("an avatar", lambda s: s.attribute(avatar_url_hash="x", last_avatar_sync_at="2026-05-05")),
    _kind("a company's number", lambda s: s.sql("UPDATE contacts SET company_id = 9 WHERE id = %(contact)s")),
    _kind("a visitor who became a lead", lambda s: s.sql("UPDATE contacts SET contact_type = 1 WHERE id = %(contact)s")),
    _kind("activity of a contact",
          lambda s: changes.update_contact(s.connection, s.contact, last_activity_at=datetime.now(UTC))),
    _kind("an agent who looked",
          lambda s: s.sql("UPDATE conversations SET agent_last_seen_at = now(), updated_at = now() WHERE id = %(talk)s")),
    _kind("a private note",
          lambda s: _say(s, "secret", message_type=1, private=True, sender_type="User", sender_id=s.agent, touch=False)),
    _kind("a message read", lambda s: s.sql("UPDATE messages SET status = 2 WHERE id = %(said)s")),
    _kind("a note about a contact",
          lambda s: s.sql("INSERT INTO notes (content, account_id, contact_id, created_at, updated_at) "
                          "VALUES ('x', 1, %(contact)s, now(), now())")),
    _kind("a contact blocked", lambda s: changes.update_contact(s.connection, s.contact, blocked=True)),
    _kind("an e-mail added in Krayin",
          lambda s: s.edit_person(emails=[{"value": f"ada{s.number}@example.com", "label": "work"},
                                          {"value": f"home{s.number}@example.com", "label": "home"}])),
    _kind("a lead moved on by a salesperson",
          lambda s: s.world.api("PUT", f"leads/stage/edit/{s.lead}", {"lead_pipeline_stage_id": 4})),
    _kind("a lead that was won",
          lambda s: s.world.api("PUT", f"leads/stage/edit/{s.lead}", {"lead_pipeline_stage_id": 5})),
    _kind("a person of somebody else",
          lambda s: s.world.api("POST", "contacts/persons",
                                {"name": "Else", "emails": [{"value": f"else{s.number}@example.com", "label": "work"}],
                                 "contact_numbers": [{"value": "", "label": "work"}]})),
)  # fmt: skip
