"""Persons beyond the recorded calls."""

from __future__ import annotations

import pytest

PERSONS = "/api/v1/contacts/persons"
GENERIC = {"message": "admin::app.common.internal-server-error"}


def phones(*values):
    return [{"value": value, "label": "work"} for value in values]


def body(**fields):
    return {"name": "N", "emails": phones("n@example.com"), "contact_numbers": phones("+1"), **fields}


def test_a_phone_without_label_leaves_the_person_behind(api, krayin):
    answer = api.post(PERSONS, json=body(contact_numbers=[{"value": "+1"}]))
    assert (answer.status_code, answer.json()) == (500, GENERIC)
    assert [row["name"] for row in krayin.records("persons")["persons"]] == ["N"]
    again = api.post(PERSONS, json=body(contact_numbers=phones("+2")))
    assert again.json()["errors"] == {"emails.0.value": ["The value has already been taken."]}


def test_an_email_string_leaves_a_person_with_a_broken_column(api, krayin):
    assert api.post(PERSONS, json=body(emails="x@example.com")).status_code == 500
    assert krayin.records("persons")["persons"][0]["emails"] == '"x@example.com"'


def test_nothing_is_made_when_emails_are_absent(api, krayin):
    assert api.post(PERSONS, json={"name": "N", "contact_numbers": phones("+1")}).status_code == 500
    assert krayin.records("persons")["persons"] == []


def test_a_failed_foreign_key_uses_up_an_id(api):
    assert api.post(PERSONS, json=body(organization_id=99)).status_code == 500
    assert api.post(PERSONS, json=body()).json()["data"]["id"] == 2


def test_uniqueness_is_by_whole_value_byte_by_byte(api, add_person):
    add_person(1, emails=phones("ab@example.com"), contact_numbers=phones("+12345"))
    assert api.post(PERSONS, json=body(emails=phones("b@example.com"))).status_code == 200
    assert (
        api.post(
            PERSONS, json=body(emails=phones("AB@example.com"), contact_numbers=phones("+123"))
        ).status_code
        == 200
    )
    refused = api.post(
        PERSONS,
        json=body(emails=phones("z@example.com", "ab@example.com"), contact_numbers=phones("9", "+12345")),
    )
    assert list(refused.json()["errors"]) == ["contact_numbers.1.value", "emails.1.value"]
    assert refused.json()["message"] == "The value has already been taken. (and 1 more error)"


def test_an_email_can_move_only_after_it_is_released(api, add_person):
    first, second = add_person(1), add_person(2)
    claim = {"emails": phones("p1@example.com"), "contact_numbers": phones("+1002"), "user_id": 1}
    assert api.put(f"{PERSONS}/{second['id']}", json=claim).status_code == 422
    release = {"emails": phones("other@example.com"), "contact_numbers": phones("+1001"), "user_id": 1}
    assert api.put(f"{PERSONS}/{first['id']}", json=release).status_code == 200
    assert api.put(f"{PERSONS}/{second['id']}", json=claim).status_code == 200


def test_unique_id_is_made_of_owner_organization_email_and_phone(api, krayin, add_person):
    organization = api.post("/api/v1/contacts/organizations", json={"name": "O"}).json()["data"]
    add_person(1, organization_id=organization["id"])
    assert krayin.records("persons")["persons"][0]["unique_id"] == "1|1|p1@example.com|+1001"
    found = api.get(PERSONS, params={"unique_id": "1|1|p1@example.com|+1001"}).json()
    assert found["meta"]["total"] == 1
    api.put(f"{PERSONS}/1", json={"contact_numbers": phones("+7")})
    assert krayin.records("persons")["persons"][0]["unique_id"] == "|+7"


def test_names_are_cut_at_255_characters_but_echoed_in_full(api):
    name = "😀" * 300
    made = api.post(PERSONS, json=body(name=name)).json()["data"]
    assert made["name"] == name
    assert api.get(f"{PERSONS}/1").json()["data"]["name"] == "😀" * 255


def test_an_absent_name_is_stored_blank(api):
    fields = body()
    del fields["name"]
    assert api.post(PERSONS, json=fields).json()["data"]["name"] is None
    assert api.get(f"{PERSONS}/1").json()["data"]["name"] == ""


def test_every_changed_attribute_is_logged_and_an_identical_put_is_not(api, add_person):
    person = add_person()
    sent = {
        "name": "Person 1",
        "emails": person["emails"],
        "contact_numbers": person["contact_numbers"],
        "user_id": 1,
    }
    before = api.get(f"{PERSONS}/1/activities").json()["data"]
    api.put(f"{PERSONS}/1", json=sent)
    assert api.get(f"{PERSONS}/1/activities").json()["data"] == before
    api.put(f"{PERSONS}/1", json={**sent, "name": "Renamed"})
    newest = api.get(f"{PERSONS}/1/activities").json()["data"][0]
    assert newest["title"] == "Updated Name"
    assert newest["additional"]["old"] == {"value": "Person 1", "label": "Person 1"}


def test_put_wipes_the_owner_and_keeps_the_rest(api, krayin, add_person):
    add_person(job_title="CTO")
    api.put(f"{PERSONS}/1", json={"contact_numbers": phones("+1001")})
    row = krayin.records("persons")["persons"][0]
    assert (row["user_id"], row["name"], row["job_title"]) == (None, "Person 1", "CTO")


def test_deleting_a_person_with_a_lead_loses_history_and_protection(api, krayin, add_person, add_lead):
    add_person()
    add_lead(person={"id": 1})
    api.post("/api/v1/activities", json={"type": "note", "comment": "x", "person_id": 1})
    answer = api.delete(f"{PERSONS}/1")
    assert (answer.status_code, answer.json()) == (500, {"message": "Person deleted successfully."})
    assert api.get(f"{PERSONS}/1").status_code == 200
    assert api.get(f"{PERSONS}/1/activities").json() == {"data": []}
    assert [row for row in krayin.records()["attribute_values"] if row["entity_type"] == "persons"] == []
    assert api.post(PERSONS, json=body(emails=phones("p1@example.com"))).status_code == 200


def test_deleting_the_lead_then_the_person_leaves_nothing(api, krayin, add_person, add_lead):
    add_person()
    add_lead(person={"id": 1})
    assert api.delete("/api/v1/leads/1").status_code == 200
    assert api.delete(f"{PERSONS}/1").status_code == 200
    left = krayin.records(
        "persons", "leads", "activities", "attribute_values", "person_activities", "lead_activities"
    )
    assert all(rows == [] for rows in left.values())


def test_mass_destroy_stops_at_a_person_with_a_lead(api, krayin, add_person, add_lead):
    for number in (1, 2, 3):
        add_person(number)
    add_lead(person={"id": 2})
    assert api.post(f"{PERSONS}/mass-destroy", json={"indices": [1, 99, 2, 3]}).status_code == 500
    assert [row["id"] for row in krayin.records("persons")["persons"]] == [2, 3]


def test_a_name_index_makes_one_organization_of_its_spellings(api, krayin, add_person):
    for number, name in enumerate(("Müller GmbH", "Muller gmbh", "MÜLLER GMBH "), 1):
        add_person(number, organization_name=name)
    assert [row["name"] for row in krayin.records("organizations")["organizations"]] == ["Müller GmbH"]


def test_optional_emails_after_the_administrator_says_so(api):
    change = {
        "code": "emails",
        "name": "Emails",
        "type": "email",
        "entity_type": "persons",
        "is_required": 0,
        "is_unique": 1,
    }
    assert api.put("/api/v1/settings/attributes/29", json=change).status_code == 200
    flags = {
        row["id"]: row["is_required"]
        for row in api.get("/api/v1/settings/attributes?limit=100").json()["data"]
    }
    assert flags[29] == 0
    made = api.post(PERSONS, json=body(emails=[]))
    assert (made.status_code, made.json()["data"]["emails"]) == (200, [])
    nested = {
        "title": "L",
        "lead_pipeline_stage_id": 1,
        "person": {"name": "X", "emails": [], "contact_numbers": phones("+5")},
    }
    assert api.post("/api/v1/leads", json=nested).json()["data"]["person"]["emails"] == []


@pytest.mark.parametrize(
    "address", ["a@b", '"quoted"@example.com', "ünï@exämple.de", "x+y@example.com", "x@[127.0.0.1]"]
)
def test_lax_addresses_pass(api, address):
    assert api.post(PERSONS, json=body(emails=phones(address))).status_code == 200


@pytest.mark.parametrize(
    "address", ["plain", "a b@example.com", "a..b@example.com", ".a@example.com", "a@-b.de", "@b.de", "a@"]
)
def test_other_addresses_are_refused(api, address):
    answer = api.post(PERSONS, json=body(emails=phones(address)))
    assert answer.json()["errors"] == {
        "emails.0.value": ["The emails.0.value must be a valid email address."]
    }


def test_a_person_made_by_a_lead_without_phones_needs_a_blank_one_to_be_changed(api):
    lead = {
        "title": "L",
        "lead_pipeline_stage_id": 1,
        "person": {"name": "X", "emails": phones("x@example.com")},
    }
    assert api.post("/api/v1/leads", json=lead).json()["data"]["person"]["contact_numbers"] is None
    sent = {"name": "Y", "emails": phones("x@example.com")}
    assert api.put(f"{PERSONS}/1", json=sent).status_code == 500
    assert api.put(f"{PERSONS}/1", json={**sent, "contact_numbers": phones("")}).status_code == 200


def test_form_bodies_and_overridden_methods_work(api, add_person):
    add_person()
    form = {"name": "Form", "contact_numbers[0][value]": "+3", "contact_numbers[0][label]": "work"}
    assert api.put(f"{PERSONS}/1", data=form).json()["data"]["name"] == "Form"
    got = api.post(
        PERSONS, json={"emails->[0]->value": "p1@example.com"}, headers={"X-HTTP-Method-Override": "GET"}
    )
    assert got.json()["meta"]["total"] == 1


@pytest.mark.parametrize(
    "content", [b'{"name": "x", ', b'{"name": "\\ud83d"}', b'{"name": "\xff"}', b"null", b"[]", b"5"]
)
def test_bodies_that_cannot_be_read_are_empty(api, content):
    answer = api.post(PERSONS, content=content, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()) == (500, GENERIC)


def test_an_email_beyond_ascii_is_never_taken(api, krayin):
    """The database holds it escaped and is asked with its letters, which MariaDB does not find equal."""
    first = body(emails=phones("ünï@exämple.de"), contact_numbers=phones("+1"))
    again = body(emails=phones("ünï@exämple.de"), contact_numbers=phones("+2"))
    assert api.post(PERSONS, json=first).status_code == 200
    assert api.post(PERSONS, json=again).status_code == 200
    refused = api.post(PERSONS, json=body(emails=phones("ünï@exämple.de"), contact_numbers=phones("+2")))
    assert refused.json()["errors"] == {"contact_numbers.0.value": ["The value has already been taken."]}
    assert len(krayin.records("persons")["persons"]) == 2


def test_emails_sent_as_an_object_are_not_protected_against_duplicates(api):
    sent = {"work": {"value": "n@example.com", "label": "work"}}
    assert api.post(PERSONS, json=body(emails=sent)).json()["data"]["emails"] == sent
    assert api.post(PERSONS, json=body(contact_numbers=phones("+2"))).status_code == 200


def test_elements_of_lists_are_named_as_they_are_in_messages(api):
    refused = api.post(PERSONS, json=body(emails={"First_one": {"label": "work"}}))
    assert refused.json()["message"] == "The emails.First_one.value field is required."


@pytest.mark.parametrize("tag_id", [None, 1, [1, 2], "1"])
def test_tags_are_put_one_by_one_or_as_a_list(api, krayin, add_person, tag_id):
    add_person(1)
    for name in ("a", "b"):
        api.post("/api/v1/settings/tags", json={"name": name})
    answer = api.post(f"{PERSONS}/1/tags", json={"tag_id": tag_id})
    assert (answer.status_code, answer.json()) == (200, {"message": "Tag attached successfully."})
    wanted = len(tag_id) if isinstance(tag_id, list) else int(tag_id is not None)
    assert len(krayin.records("person_tags")["person_tags"]) == wanted
    assert api.request("DELETE", f"{PERSONS}/1/tags", json={"tag_id": [1, 2]}).status_code == 200
    assert krayin.records("person_tags")["person_tags"] == []


def test_a_tag_for_a_missing_person_is_an_error_500(api):
    api.post("/api/v1/settings/tags", json={"name": "a"})
    for method in ("POST", "DELETE"):
        answer = api.request(method, f"{PERSONS}/9/tags", json={"tag_id": 1})
        assert (answer.status_code, answer.json()) == (500, GENERIC)
