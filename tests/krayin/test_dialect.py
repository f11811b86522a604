"""What a Krayin answers otherwise than another is learned from its answers, over a real socket."""

from __future__ import annotations

from datetime import date

import pytest
from krayin.catalogue import EmailDemand, load_catalogue
from krayin.client import KrayinClient
from krayin.dialect import Dialect, generation_of
from krayin.errors import AuthenticationFailed, NotFound, OutcomeUnknown, ServerFailed
from krayin.payloads import ActivityDraft, Labelled, LeadDraft, LeadUpdate, PersonDraft, PersonUpdate
from krayin.permits import NoopLimiter
from krayin.records import Lead, Person
from krayin.routes import find_api

from sandbox.krayin.testing import running_krayin

WORLDS = [
    ("2.1", "unlimited", "shipped", "mariadb"),
    ("2.1", "limited", "shipped", "mysql"),
    ("2.2", "unlimited", "shipped", "mariadb"),
    ("2.2", "unlimited-debug", "shipped", "mysql"),
    ("2.2", "unlimited", "rest-api", "mariadb"),
    ("2.2", "limited", "shipped", "mysql"),
]
ODD = ["a:b", "a;b", "50%", "a,b", 'say "x"', "Zoë 漢字", "o'neil", "a/b"]


@pytest.fixture(scope="module")
def server():
    with running_krayin() as running:
        yield running


@pytest.fixture(params=WORLDS, ids="-".join)
def krayin(request, server):
    version, instance, handler, database = request.param
    server.reset(version=version, instance=instance, handler=handler, database=database)
    return server


@pytest.fixture
def connect(krayin):
    opened = []

    def make(token: str | None = None) -> KrayinClient:
        client = KrayinClient(
            find_api(krayin.url), token or krayin.token, limiter=NoopLimiter(), sleep=krayin.advance
        )
        opened.append(client)
        return client

    yield make
    for client in opened:
        client.close()


@pytest.fixture
def client(connect):
    """A client that has read what this Krayin is set up with, as every run has."""
    client = connect()
    load_catalogue(client)
    return client


def is_new(krayin) -> bool:
    return krayin.application.krayin.settings.version == "2.2"


def is_mysql(krayin) -> bool:
    return krayin.application.krayin.settings.database == "mysql"


def person(name: str, *emails: str, phones: tuple[str, ...] = ()) -> PersonDraft:
    return PersonDraft(
        name=name,
        emails=tuple(Labelled(value=one) for one in emails or (f"{name.lower()}@example.com",)),
        contact_numbers=tuple(Labelled(value=one) for one in phones),
    )


def change(made, **keys) -> PersonUpdate:
    shown = {"name": made.name, "emails": made.emails, "contact_numbers": made.contact_numbers}
    return PersonUpdate(**shown | {"user_id": None, "organization_id": None, "booleans": {}} | keys)


def test_reading_the_settings_tells_what_writing_needs(krayin, client):
    assert client.dialect.blank_is_null is is_new(krayin)
    limited = krayin.application.krayin.settings.limit is not None
    assert client.dialect.is_limited is limited


def test_a_dialect_survives_being_kept():
    known = Dialect(blank_is_null=True, filters_by_json=False)
    assert Dialect.from_json(known.to_json()) == known
    assert Dialect.from_json({**known.to_json(), "of another version": 1}) == known


def test_activities_are_asked_for_by_key_where_that_works_and_the_answer_is_remembered(krayin, client):
    made = client.create_person(person("Anna"))
    note = client.create_activity(
        ActivityDraft(type="note", comment="x", person_id=made.id, additional={"chatwoot": "7"})
    )
    found = client.activities_by_key("chatwoot", ["7", "8"])
    assert found == (None if is_new(krayin) else [note]) or [one.id for one in found] == [note.id]
    assert client.dialect.filters_by_json is not is_new(krayin)
    krayin.clear_calls()
    client.activities_by_key("chatwoot", ["9"])
    assert len(krayin.calls()) == (0 if is_new(krayin) else 1)


@pytest.mark.parametrize("title", [one for one in ODD if "," not in one])
def test_activities_are_found_by_title(client, title):
    made = client.create_person(person("Anna"))
    for each in (title, "another"):
        client.create_activity(ActivityDraft(type="note", title=each, comment="x", person_id=made.id))
    assert [one.title for one in client.activities_titled(title)] == [title]


def test_phones_are_freed_for_somebody_else_and_a_real_number_takes_their_place(krayin, client):
    anna = client.create_person(person("Anna", phones=("+491", "+492")))
    freed = client.update_person(anna.id, change(anna, contact_numbers=(), frees_phones=True))
    assert freed.contact_numbers == ()
    bo = client.create_person(person("Bo", phones=("+491", "+492")))
    with krayin.client() as http:
        answer = http.get(f"/api/v1/contacts/persons/{anna.id}").json()
    shown = [row["value"] for row in answer["data"]["contact_numbers"]]
    assert shown == ([f"no phone number (person {anna.id})"] if is_new(krayin) else [""])
    again = client.update_person(anna.id, change(freed, contact_numbers=(Labelled(value="+493"),)))
    assert [one.value for one in again.contact_numbers] == ["+493"]
    assert [one.value for one in client.by_ids(Person, [anna.id])[0].contact_numbers] == ["+493"]
    assert [one.value for one in client.by_ids(Person, [bo.id])[0].contact_numbers] == ["+491", "+492"]


def test_a_krayin_that_was_upgraded_meanwhile_shows_it_by_keeping_phones(krayin, client):
    if is_new(krayin):
        client.dialect = Dialect(blank_is_null=False, is_limited=client.dialect.is_limited)
    anna = client.create_person(person("Anna", phones=("+491",)))
    client.update_person(anna.id, change(anna, contact_numbers=(), frees_phones=True))
    assert client.create_person(person("Bo", phones=("+491",))).id
    assert client.dialect.blank_is_null is is_new(krayin)


def test_a_description_is_cleared_and_nothing_else_of_the_lead(krayin, client):
    made = client.create_lead(
        LeadDraft(
            title="Deal",
            description="Old text",
            lead_pipeline_stage_id=3,
            lead_value=5,
            lead_source_id=2,
            lead_type_id=2,
            user_id=1,
            expected_close_date=date(2031, 1, 31),
            person=person("Anna"),
        )
    ).lead
    client.update_lead(
        made.id, LeadUpdate(expected_close_date=date(2031, 1, 31), booleans={}, description=None)
    )
    (after,) = client.by_ids(Lead, [made.id])
    assert not after.description
    assert (after.title, after.stage_id, after.lead_value, after.person_id, after.owner_id) == (
        "Deal",
        3,
        5,
        made.person_id,
        1,
    )
    assert (after.source_id, after.type_id) == (2, 2)
    assert client.lookup_entities("leads", [made.id])[made.id].values["expected_close_date"] == "2031-01-31"


def test_a_lead_with_products_keeps_them_and_where_it_must_its_description(krayin, client, caplog):
    made = client.create_lead(
        LeadDraft(title="Deal", description="Old", lead_pipeline_stage_id=1, person=person("Anna"))
    ).lead
    krayin.seed(products=[{"id": 5, "sku": "P5", "name": "Product", "price": 10}])
    row = {"product_id": 5, "name": "Product", "price": 10, "quantity": 1, "amount": 10}
    with krayin.client() as http:
        whole = {"title": "Deal", "lead_pipeline_stage_id": 1, "products": {"product_0": row}}
        http.put(f"/api/v1/leads/{made.id}", json=whole).raise_for_status()
    update = LeadUpdate(expected_close_date=None, booleans={}, description="", title="New title")
    client.update_lead(made.id, update)
    (after,) = client.by_ids(Lead, [made.id])
    assert len(after.product_ids) == 1
    assert (after.title, bool(after.description)) == ("New title", is_new(krayin))
    assert ("empty it by hand" in caplog.text) is is_new(krayin)


def test_what_is_missing_is_missing_on_the_first_call_of_a_client(connect, krayin, client):
    first = connect()
    first.dialect = client.dialect
    with pytest.raises(NotFound):
        first.update_lead(999, LeadUpdate(expected_close_date=None, booleans={}, title="x"))
    assert connect().delete_person(999) is False


def test_a_person_without_email_is_made_where_the_database_lets_it(krayin, client):
    draft = LeadDraft(
        title="Bo",
        lead_pipeline_stage_id=1,
        person=PersonDraft(name="Bo", emails=None, contact_numbers=(Labelled(value="+491"),)),
    )
    assert client.takes_no_email(lambda: False) is None
    if is_mysql(krayin):
        made = client.create_lead(draft).person
        assert client.by_ids(Person, [made.id])[0].emails == ()
    else:
        with pytest.raises(OutcomeUnknown):
            client.create_lead(draft)
        assert krayin.records("persons")["persons"] == []
    # A failure tells nothing: it may have had any other reason.
    assert client.takes_no_email(lambda: False) is (True if is_mysql(krayin) else None)


def test_persons_that_are_there_tell_whether_one_needs_an_email(krayin, client):
    client.create_person(person("Anna"))
    assert client.takes_no_email(lambda: True) is is_mysql(krayin)
    catalogue = load_catalogue(client)
    demand = catalogue.email_demand(client.dialect.takes_no_email)
    assert demand is (EmailDemand.ONCE_GIVEN if is_mysql(krayin) else EmailDemand.ALWAYS)


@pytest.mark.parametrize(
    "value",
    [
        f"{one}@example.com"
        for one in ('"a:b"', '"a;b"', '"a,b"', '"a\\"b"', "50%", "a_b", "o'neil", "a/b", "zoë漢字")
    ],
)
def test_an_email_is_found_or_it_is_said_that_it_cannot_be_searched_for(client, value):
    anna = client.create_person(person("Anna", "other@example.org", value))
    client.create_person(person("Decoy", f"{value}.de"))
    searchable = client.can_search([value], [])
    assert searchable is not (":" in value or ";" in value)
    assert [one.id for one in client.find_persons([value], [])] == ([anna.id] if searchable else [])


def test_a_dead_token_is_told_in_every_form(connect, krayin):
    client = connect()
    client.whoami()
    with krayin.client() as http:
        http.delete("/api/v1/logout").raise_for_status()
    with pytest.raises(AuthenticationFailed):
        client.create_person(person("Anna"))
    assert krayin.records("persons")["persons"] == []


def test_a_failing_record_is_no_dead_token(krayin, client):
    draft = LeadDraft(title="x", lead_pipeline_stage_id=1, lead_source_id=999)
    with pytest.raises((OutcomeUnknown, ServerFailed)) as caught:
        client.create_lead(draft)
    assert not isinstance(caught.value, AuthenticationFailed)
    assert client.create_person(person("Anna")).id


HERE = "https://crm.example.com/api/v1"


@pytest.mark.parametrize(
    ("dialect", "shown", "notes"),
    [
        (Dialect(blank_is_null=False, is_limited=True), "2.1", []),
        (Dialect(blank_is_null=True, is_limited=False), "2.2 or later", ["no phone number", "100 an hour"]),
        (Dialect(blank_is_null=False, is_limited=True, takes_no_email=True), "2.1", ["MySQL"]),
    ],
)
def test_what_it_answers_says_what_it_is_and_what_that_means(dialect, shown, notes):
    generation = generation_of(HERE, dialect)
    assert (generation.shown, generation.problem) == (shown, None)
    assert [said in note for said, note in zip(notes, generation.notes, strict=True)] == [True] * len(notes)


@pytest.mark.parametrize(
    ("base_url", "told"),
    [
        ("https://crm.example.com/api/admin", "2.0 is supported in part"),
        ("https://crm.example.com/elsewhere", "usually lies under /api/v1"),
    ],
)
def test_others_are_told(base_url, told):
    assert told in (generation_of(base_url, Dialect()).problem or "")
    assert "2.1.5" in (generation_of(base_url, Dialect()).problem or "")
