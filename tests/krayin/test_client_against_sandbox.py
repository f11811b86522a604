"""Every method of the client over a real socket, against a stand-in with Krayin's habits."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from krayin.catalogue import Workflow, load_catalogue
from krayin.client import KrayinClient
from krayin.errors import (
    AuthenticationFailed,
    ConfigurationError,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    Rejected,
    ServerFailed,
    UnexpectedAnswer,
)
from krayin.payloads import (
    ActivityDraft,
    ActivityUpdate,
    Labelled,
    LeadDraft,
    LeadUpdate,
    OrganizationUpdate,
    PersonDraft,
    PersonUpdate,
)
from krayin.permits import LimitFeedback, Permit
from krayin.records import Activity, Lead, Organization, Person
from krayin.routes import find_api

from sandbox.krayin.testing import RunningKrayin, running_krayin, usual_krayin

NOON = datetime(2030, 5, 5, 12, tzinfo=UTC)
ADDRESS = {"address": "Main St 1", "country": "DE", "state": "BE", "city": "Berlin", "postcode": "10115"}


class Patience:
    """A limiter that lets the stand-in's minute pass after a refusal, as the budget would by waiting."""

    def __init__(self, server: RunningKrayin) -> None:
        self.server = server
        self.refusals = 0
        self.blocked = False

    def acquire(self) -> Permit:
        if self.blocked:
            self.server.advance(61)
            self.blocked = False
        return Permit(0, 0, datetime.now(UTC))

    def settle(self, permit: Permit, answer: LimitFeedback | None) -> None:
        self.blocked = answer is not None and answer.refused
        self.refusals += self.blocked

    def near_limit(self) -> bool:
        return False


# How 2.1 answers; `test_dialect` has what 2.2 does instead.
ONLY_21 = pytest.mark.skipif(usual_krayin()["version"] != "2.1", reason="2.2 answers otherwise")


@pytest.fixture(scope="module")
def server():
    with running_krayin() as running:
        yield running


@pytest.fixture
def krayin(server):
    """The stand-in as freshly installed."""
    server.reset(
        instance="unlimited", requests_per_minute=None, timezone="Asia/Kolkata", persons_email_required=True
    )
    server.clear_faults()
    server.clear_calls()
    return server


@pytest.fixture
def connect(krayin):
    """Open clients that sleep by moving the stand-in's clock."""
    opened = []

    def open_client(**options: object) -> KrayinClient:
        settings = {"token": krayin.token, "limiter": Patience(krayin), "sleep": krayin.advance, **options}
        client = KrayinClient(f"{krayin.url}/api/v1", settings.pop("token"), **settings)
        opened.append(client)
        return client

    yield open_client
    for client in opened:
        client.close()


@pytest.fixture
def client(connect):
    return connect()


def person(name: str = "Anna", *emails: str, phones: tuple[str, ...] = (), **more: object) -> PersonDraft:
    return PersonDraft(
        name=name,
        emails=tuple(Labelled(value=one) for one in emails or (f"{name.lower()}@example.com",)),
        contact_numbers=tuple(Labelled(value=one) for one in phones),
        **more,
    )


def lead(title: str = "Deal", **more: object) -> LeadDraft:
    return LeadDraft(title=title, lead_pipeline_stage_id=1, lead_source_id=2, lead_type_id=1, **more)


def note(person_id: int, key: str, **more: object) -> ActivityDraft:
    return ActivityDraft(
        type="note", comment="Hello", person_id=person_id, additional={"chatwoot_id": key}, **more
    )


# Settings.


def test_the_catalogue_is_read_in_six_calls(krayin, client):
    catalogue = load_catalogue(client)
    assert len(krayin.calls()) == 6
    assert catalogue.user.id == 1
    assert [stage.code for stage in catalogue.default_pipeline().stages][-2:] == ["won", "lost"]
    assert [source.id for source in catalogue.sources] == [1, 2, 3, 4, 5]
    assert [kind.id for kind in catalogue.types] == [1, 2]
    assert catalogue.email_required()
    assert catalogue.custom_attributes("persons") == ()
    assert [one.entity_type for one in client.every(Workflow)] == ["activities", "activities"]


def test_custom_attributes_are_told_from_krayins_own(krayin, client):
    krayin.seed(
        attributes=[
            {"code": "vip", "name": "VIP", "type": "boolean", "entity_type": "persons"},
            {"code": "chatwoot_id", "name": "Chatwoot", "type": "text", "entity_type": "leads"},
        ]
    )
    catalogue = load_catalogue(client)
    assert catalogue.boolean_attributes("persons") == ("vip",)
    assert [one.code for one in catalogue.custom_attributes("leads")] == ["chatwoot_id"]


# Writing.


def test_one_call_makes_lead_person_and_organization(krayin, client):
    draft = person("Anna", phones=("+491701",), job_title="CTO", organization_name="Acme, Inc.")
    created = client.create_lead(lead(lead_value=Decimal("99.50"), description="Hi 😀", person=draft))
    assert len(krayin.calls()) == 1
    assert created.person is not None
    assert created.person.organization_id is not None
    assert created.lead.person_id == created.person.id
    (read,) = client.by_ids(Lead, [created.lead.id])
    assert (read.title, read.description, read.lead_value) == ("Deal", "Hi 😀", Decimal("99.5"))
    assert (read.stage_id, read.pipeline_id, read.source_id, read.type_id) == (1, 1, 2, 1)
    (organization,) = client.by_ids(Organization, [created.person.organization_id])
    assert organization.name == "Acme, Inc."


def test_a_lead_for_a_known_person_and_one_for_nobody(client):
    anna = client.create_person(person())
    assert client.create_lead(lead(person_id=anna.id)).lead.person_id == anna.id
    assert client.create_lead(lead()).person is None
    with pytest.raises(NotFound):
        client.create_lead(lead(person_id=999))


def test_persons_without_a_phone_can_be_made_both_ways_and_changed(client):
    alone = client.create_person(person("Bo"))
    nested = client.create_lead(lead(person=person("Cy"))).person
    assert nested is not None
    for one in (alone, nested):
        assert one.contact_numbers == ()
        update = PersonUpdate(
            name=f"{one.name} B",
            emails=one.emails,
            contact_numbers=(),
            user_id=None,
            organization_id=None,
            booleans={},
        )
        assert client.update_person(one.id, update).name == f"{one.name} B"


def test_an_update_of_a_person_wipes_nothing(krayin, client):
    krayin.seed(
        attributes=[
            {"code": "vip", "name": "VIP", "type": "boolean", "entity_type": "persons"},
            {"code": "note", "name": "Note", "type": "text", "entity_type": "persons"},
        ]
    )
    draft = person(
        phones=("+491701",),
        job_title="CTO",
        organization_name="Acme",
        user_id=1,
        booleans={"vip": True},
        custom={"note": "kept"},
    )
    made = client.create_person(draft)
    update = PersonUpdate(
        name="Anna B",
        emails=(*made.emails, Labelled(value="b@example.com", label="home")),
        contact_numbers=made.contact_numbers,
        user_id=made.owner_id,
        organization_id=made.organization_id,
        booleans={"vip": True},
    )
    changed = client.update_person(made.id, update)
    assert (changed.owner_id, changed.organization_id, changed.job_title) == (1, made.organization_id, "CTO")
    assert [one.value for one in changed.emails] == ["anna@example.com", "b@example.com"]
    assert [one.value for one in changed.contact_numbers] == ["+491701"]
    raw = client.lookup_entities("persons", [made.id])[made.id].values
    assert (raw["vip"], raw["note"], raw["user_id"]) == (1, "kept", 1)


def test_an_update_of_a_lead_wipes_nothing(krayin, client):
    krayin.seed(attributes=[{"code": "hot", "name": "Hot", "type": "boolean", "entity_type": "leads"}])
    tomorrow = datetime.now(UTC).date() + timedelta(days=30)
    made = client.create_lead(lead(user_id=1, expected_close_date=tomorrow, booleans={"hot": True})).lead
    raw = client.lookup_entities("leads", [made.id])[made.id].values
    kept = date.fromisoformat(str(raw["expected_close_date"])[:10])
    update = LeadUpdate(expected_close_date=kept, booleans={"hot": bool(raw["hot"])}, title="New title")
    changed = client.update_lead(made.id, update)
    assert (changed.title, changed.owner_id, changed.expected_close_at) == (
        "New title",
        1,
        made.expected_close_at,
    )
    after = client.lookup_entities("leads", [made.id])[made.id].values
    assert (after["expected_close_date"], after["hot"]) == (raw["expected_close_date"], 1)


@ONLY_21
def test_a_description_is_cleared_and_a_stage_closes_a_lead(client):
    made = client.create_lead(lead(description="Old")).lead
    won = client.update_lead(
        made.id,
        LeadUpdate(expected_close_date=None, booleans={}, description=None, lead_pipeline_stage_id=5),
    )
    assert (won.description or "", won.stage_id) == ("", 5)
    assert won.closed_at is not None


def test_an_organization_gets_its_address_and_keeps_its_name(krayin, client):
    (made,) = krayin.seed(organizations=[{"name": "Acme"}])["organizations"]
    changed = client.update_organization(made, OrganizationUpdate(address=ADDRESS))
    assert (changed.name, changed.address) == ("Acme", ADDRESS)


@ONLY_21
def test_activities_keep_instants_keys_and_links_and_mail_nobody(krayin, client):
    anna = client.create_person(person())
    deal = client.create_lead(lead(person_id=anna.id)).lead
    call = client.create_activity(
        ActivityDraft(
            type="call",
            title="cw-5",
            comment="Hi",
            lead_id=deal.id,
            schedule_from=NOON,
            schedule_to=NOON + timedelta(minutes=30),
            additional={"chatwoot_id": "5"},
        )
    )
    assert (call.schedule_from, call.additional, call.is_done) == (NOON, {"chatwoot_id": "5"}, False)
    changed = client.update_activity(call.id, ActivityUpdate(is_done=True, person_id=anna.id, comment="Hey"))
    assert (changed.is_done, changed.comment, changed.title) == (True, "Hey", "cw-5")
    memo = client.create_activity(note(anna.id, "6"))
    assert memo.is_done
    client.mark_activities([call.id, memo.id, 999], False)
    assert [one.is_done for one in client.activities_by_key("chatwoot_id", ["5", "6"])] == [False, False]
    client.mark_activities([call.id], True)
    found = {one.id: one for one in client.activities_by_key("chatwoot_id", ["5", "6", "7"])}
    assert (found[call.id].is_done, found[memo.id].is_done) == (True, False)
    assert {one.id for one in client.page(Activity, 1, 10).rows} == {call.id, memo.id}
    assert krayin.mails() == []


@ONLY_21
def test_long_and_odd_texts_arrive_as_they_were_cut_here(client):
    draft = person("x" * 300, "long@example.com", job_title="a\0b\ud83dc")
    made = client.create_person(draft)
    (read,) = client.by_ids(Person, [made.id])
    assert (read.name, read.job_title) == (draft.name, "ab\ufffdc")
    memo = client.create_activity(
        ActivityDraft(type="note", comment="😀" * 20_000, person_id=made.id, additional={"k": "1"})
    )
    (kept,) = client.activities_by_key("k", ["1"])
    assert kept.id == memo.id
    assert kept.comment is not None
    assert kept.comment.endswith("… [cut]")


def test_what_is_missing_is_not_found(client):
    update = PersonUpdate(
        name="x",
        emails=(Labelled(value="x@example.com"),),
        contact_numbers=(),
        user_id=None,
        organization_id=None,
        booleans={},
    )
    client.whoami()
    with pytest.raises(NotFound):
        client.update_person(999, update)
    with pytest.raises(NotFound):
        client.update_lead(999, LeadUpdate(expected_close_date=None, booleans={}, title="x"))
    with pytest.raises(NotFound):
        client.update_organization(999, OrganizationUpdate(name="x"))
    with pytest.raises(NotFound):
        client.update_activity(999, ActivityUpdate(comment="x"))


def test_a_taken_email_names_its_field(client):
    client.create_person(person("Anna", phones=("+491",)))
    with pytest.raises(Rejected) as caught:
        client.create_lead(lead(person=person("Other", "anna@example.com", phones=("+491",))))
    assert set(caught.value.refused_addresses()) == {
        "person.emails.0.value",
        "person.contact_numbers.0.value",
    }


def test_a_person_without_email_needs_the_attribute_optional(krayin, client):
    phone_only = PersonDraft(name="Bo", contact_numbers=(Labelled(value="+491"),))
    with pytest.raises(Rejected):
        client.create_person(phone_only)
    krayin.reset(persons_email_required=False)
    assert client.create_person(phone_only).emails == ()


def test_deletions(krayin, client):
    created = client.create_lead(lead(person=person(organization_name="Acme")))
    assert created.person is not None
    assert created.person.organization_id is not None
    memo = client.create_activity(note(created.person.id, "1"))
    with pytest.raises(Rejected):
        client.delete_person(created.person.id)
    assert client.activities_by_key("chatwoot_id", ["1"]) != []
    assert client.delete_activity(memo.id)
    assert not client.delete_activity(memo.id)
    assert client.delete_lead(created.lead.id)
    assert not client.delete_lead(created.lead.id)
    assert client.delete_person(created.person.id)
    assert not client.delete_person(created.person.id)


# Reading.


def test_pages_hold_every_row_once(krayin, client):
    krayin.seed(
        persons=[
            {
                "name": f"P{one}",
                "emails": [{"value": f"p{one}@x.com", "label": "work"}],
                "contact_numbers": [],
            }
            for one in range(25)
        ],
        organizations=[{"name": f"O{one}"} for one in range(3)],
        leads=[{"title": f"L{one}", "person_id": 1, "lead_pipeline_stage_id": 1} for one in range(4)],
    )
    pages = [client.page(Person, one, 10) for one in (1, 2, 3)]
    assert [one.id for page in pages for one in page.rows] == list(range(1, 26))
    assert (pages[0].last_page, pages[0].total) == (3, 25)
    assert [one.id for one in client.page(Person, 1, 3, sort="id", order="desc").rows] == [25, 24, 23]
    assert len(client.page(Organization, 1, 10).rows) == 3
    assert len(client.page(Lead, 1, 10).rows) == 4
    assert [one.id for one in client.by_ids(Person, [3, 999, 1])] == [1, 3]
    assert [one.id for one in client.by_ids(Organization, [2, 9])] == [2]
    assert len(client.leads_of_persons([1, 2])) == 4


def test_entities_are_looked_up_in_bulk(krayin, client, monkeypatch):
    monkeypatch.setattr("krayin.client.ENTITIES_PER_CALL", 2)
    ids = [client.create_person(person(f"P{one}")).id for one in range(3)]
    found = client.lookup_entities("persons", [*ids, 999])
    assert sorted(found) == ids
    assert found[ids[0]].values["name"] == "P0"
    assert client.lookup_entities("persons", [999]) == {}
    (company,) = krayin.seed(organizations=[{"name": "Acme", "user_id": 1}])["organizations"]
    assert client.lookup_entities("organizations", [company])[company].values["user_id"] == 1


# Finding.


@pytest.mark.parametrize(
    "address",
    [
        "anna@example.com",
        "first_last@example.com",
        "user+tag@example.com",
        "100%@example.com",
        "üml@exämple.de",
        "a/b@example.com",
        '"quoted"@example.com',
        "o'neil@example.com",
        "😀@example.com",
    ],
)
def test_an_email_is_found_in_any_position_and_nobody_else(client, address):
    longer = "decoy@example.com" if address.startswith('"') else f"x{address}"
    client.create_person(person("Decoy", "firstXlast@example.com", longer, phones=("+490",)))
    anna = client.create_person(person("Anna", "other@example.org", address))
    assert [one.id for one in client.find_persons([address], [])] == [anna.id]


def test_emails_are_found_whatever_their_case_when_small_or_as_given(client):
    anna = client.create_person(person("Anna", "anna@example.com"))
    bo = client.create_person(person("Bo", "Bo@Example.com"))
    assert [one.id for one in client.find_persons(["ANNA@Example.com", "Bo@Example.com"], [])] == [
        anna.id,
        bo.id,
    ]


@pytest.mark.parametrize("phone", ["+491701234567", "+44 20 7946 0000", "(030) 123-45"])
def test_a_phone_is_found_exactly(client, phone):
    client.create_person(person("Decoy", phones=(phone + "9",)))
    anna = client.create_person(person("Anna", phones=("+1", phone)))
    assert [one.id for one in client.find_persons([], [phone])] == [anna.id]


def test_one_search_finds_by_email_or_phone(krayin, client):
    anna = client.create_person(person("Anna", phones=("+491",)))
    bo = client.create_person(person("Bo", phones=("+492",)))
    krayin.clear_calls()
    assert [one.id for one in client.find_persons(["anna@example.com"], ["+492"])] == [anna.id, bo.id]
    assert len(krayin.calls()) == 1


def test_organizations_are_found_by_name(krayin, client):
    names = ["Acme", "Müller GmbH", "Acme, Inc.", "A+B 100%, Co_", '😀 GmbH & Co. "KG", Inc']
    rows = [{"name": name} for name in (*names, "Acme, Inc. Berlin")]
    *made, _ = krayin.seed(organizations=rows)["organizations"]
    found = client.organizations_by_names(["acme", "MULLER GMBH", *names[2:], "Nobody"])
    assert [one.id for one in found] == sorted(made)


# When things go wrong.


def test_a_bad_token_is_told_in_both_forms(krayin, connect):
    with pytest.raises(AuthenticationFailed):
        connect(token="1|wrong").whoami()
    krayin.configure(instance="unlimited-debug")
    with pytest.raises(AuthenticationFailed):
        connect(token="1|wrong").whoami()


@pytest.mark.parametrize("instance", ["limited", "limited-debug"])
def test_the_limit_is_waited_for_in_both_forms_and_nothing_is_lost(krayin, connect, instance):
    krayin.configure(instance=instance, requests_per_minute=6)
    limiter = Patience(krayin)
    client = connect(limiter=limiter)
    for one in range(15):
        client.create_person(person(f"P{one}"))
    assert limiter.refusals == 2
    assert len(krayin.records("persons")["persons"]) == 15


def test_without_a_pacer_that_waits_the_limit_is_an_error(krayin, connect):
    from krayin.permits import NoopLimiter

    krayin.configure(instance="limited", requests_per_minute=2)
    client = connect(limiter=NoopLimiter())
    client.whoami()
    client.whoami()
    with pytest.raises(RateLimited):
        client.whoami()


def test_another_programs_calls_are_told_from_a_revoked_token(krayin, connect):
    krayin.configure(instance="limited", requests_per_minute=20)
    client = connect()
    client.whoami()
    with krayin.client() as other:
        for _ in range(19):
            other.get("/api/v1/get")
    assert client.page(Person, 1, 10).total == 0
    krayin.edit(personal_access_tokens=[{"id": 1, "expires_at": "2020-01-01 00:00:00"}])
    with pytest.raises(AuthenticationFailed):
        client.page(Person, 1, 10)


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "drop_before"},
        {"kind": "drop_after"},
        {"kind": "status_502"},
        {"kind": "status_504", "after": True},
        {"kind": "error_before"},
        {"kind": "error_after"},
        {"kind": "wrong_json"},
        {"kind": "wrong_json", "after": True},
        {"kind": "delay_after", "seconds": 1.0},
    ],
    ids=lambda fault: "-".join(str(one) for one in fault.values()),
)
def test_a_creation_that_fails_is_sent_once_and_found_afterwards_if_written(krayin, connect, fault):
    sent = []
    client = connect(read_timeout=0.5, on_call=sent.append)
    krayin.set_faults({**fault, "method": "POST"})
    with pytest.raises(OutcomeUnknown):
        client.create_person(person())
    krayin.clear_faults()
    assert sum(call.method == "POST" for call in sent) == 1
    written = len(krayin.records("persons")["persons"])
    assert len(client.find_persons(["anna@example.com"], [])) == written
    if "after" in fault["kind"] or fault.get("after"):
        assert written == 1


@pytest.mark.parametrize(
    "kind",
    # On 2.2 a dead token looks like a Krayin that fails on everything.
    ["drop_before", "drop_after", "status_503", pytest.param("error_before", marks=ONLY_21)],
)
def test_a_read_survives_passing_trouble(krayin, client, kind):
    client.whoami()
    krayin.set_faults({"kind": kind, "count": 2})
    assert client.page(Person, 1, 10).total == 0


def test_a_read_gives_up_on_lasting_trouble(krayin, client):
    krayin.set_faults({"kind": "status_502"})
    with pytest.raises(ServerFailed):
        client.whoami()
    krayin.set_faults({"kind": "wrong_json"})
    with pytest.raises(UnexpectedAnswer):
        client.whoami()


def test_where_a_proxy_drops_our_accept_header_a_page_is_not_taken_for_success(krayin, client):
    client._http.headers["Accept"] = "*/*"
    with pytest.raises(OutcomeUnknown):
        client.create_person(person("Anna", "notanemail"))
    with pytest.raises(UnexpectedAnswer):
        client.update_lead(999, LeadUpdate(expected_close_date=None, booleans={}, title="x"))


def test_dead_ids_leave_a_creation_unknown(client):
    with pytest.raises(OutcomeUnknown):
        client.create_activity(note(999, "1"))
    with pytest.raises(OutcomeUnknown):
        client.create_lead(LeadDraft(title="x", lead_pipeline_stage_id=1, lead_source_id=999))
    for more in ({}, {"person": person()}, {"person_id": client.create_person(person("Bo")).id}):
        with pytest.raises(ConfigurationError, match="the stage 999 of new leads was deleted"):
            client.create_lead(LeadDraft(title="x", lead_pipeline_stage_id=999, **more))
    assert client.setup_changed


@pytest.mark.parametrize("path", ["", "/", "/api/v1", "/api/v1/", "/api/admin", "/admin/login"])
def test_the_api_is_found_from_every_form_of_the_address(krayin, path):
    assert find_api(krayin.url + path) == f"{krayin.url}/api/v1"


def test_finding_the_api_costs_nothing_of_the_budget(krayin, connect):
    krayin.configure(instance="limited", requests_per_minute=1)
    for _ in range(3):
        find_api(krayin.url + "/api/admin")
    assert connect().whoami().id == 1


def test_a_wrong_path_is_a_matter_of_configuration(krayin):
    with pytest.raises(ConfigurationError, match=r"no such route|page instead"):
        find_api(krayin.url + "/shop")
    with (
        KrayinClient(f"{krayin.url}/api/admin", krayin.token, limiter=Patience(krayin)) as lost,
        pytest.raises(ConfigurationError),
    ):
        lost.whoami()
