"""What the stand-in does as Krayin 2.2, under the REST API's own exception handler, and on MySQL."""

from __future__ import annotations

import subprocess
import sys

import pytest

from sandbox.krayin.application import Application
from sandbox.krayin.settings import Settings
from sandbox.krayin.state import StateFile
from sandbox.krayin.testing import running_krayin

PERSONS = "/api/v1/contacts/persons"
ORGANIZATIONS = "/api/v1/contacts/organizations"
ACTIVITIES = "/api/v1/activities"
ATTRIBUTES = "/api/v1/settings/attributes"
ADDRESS = {"address": "Weg 1/2", "country": "DE", "state": "BE", "city": "Köln", "postcode": "1"}


@pytest.fixture
def newer(krayin):
    krayin.reset(version="2.2")
    return krayin


@pytest.fixture
def api22(newer):
    with newer.client() as client:
        yield client


def person(number=1, **fields):
    return {
        "name": f"P{number}",
        "emails": [{"value": f"p{number}@example.com", "label": "work"}],
        "contact_numbers": [{"value": f"+{number}", "label": "work"}],
        **fields,
    }


def added(client, path, body):
    answer = client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


def scheduled(kind, start, end, **fields):
    day = "2026-05-05"
    return {"type": kind, "schedule_from": f"{day} {start}", "schedule_to": f"{day} {end}", **fields}


def test_an_upgrade_keeps_the_records_and_answers_as_the_newer_one(krayin, api):
    old = added(api, PERSONS, person(job_title="", contact_numbers=[{"value": "", "label": "work"}]))
    assert "X-RateLimit-Limit" in api.get(PERSONS).headers
    krayin.configure(version="2.2")
    answer = api.get(f"{PERSONS}/{old['id']}")
    assert "X-RateLimit-Limit" not in answer.headers
    assert (answer.json()["data"]["job_title"], answer.json()["data"]["contact_numbers"][0]["value"]) == (
        "",
        "",
    )
    stages = api.get("/api/v1/settings/pipelines/1").json()["data"]["stages"]
    assert [stage["sort_order"] for stage in stages] == [1, 2, 3, 4, 5, 6]
    # What an installation was seeded with stays as it was.
    named = {row["code"]: row for row in api.get(f"{ATTRIBUTES}?limit=9&sort=id&order=asc").json()["data"]}
    assert (named["lead_value"]["name"], named["lead_value"]["is_required"]) == ("Lead Value", 1)


@pytest.mark.parametrize("blank", [[], None, [{"value": "", "label": "work"}], [{"label": "work"}], "x"])
def test_phones_that_are_left_blank_stay_and_stay_taken(api22, blank):
    number = added(api22, PERSONS, person())["id"]
    answer = api22.put(f"{PERSONS}/{number}", json=person(contact_numbers=blank))
    assert answer.status_code == 200
    assert answer.json()["data"]["contact_numbers"][0]["value"] == "+1"
    taken = api22.post(PERSONS, json=person(2, contact_numbers=[{"value": "+1", "label": "work"}]))
    assert list(taken.json()["errors"]) == ["contact_numbers.0.value"]


@pytest.mark.parametrize("letter", ["\u200f", "\u00ad", "\u2800", "\u3164", "\U000e0020", "\u00a0", "\u2065"])
def test_invisible_characters_are_cut_off_both_ends(api22, letter):
    assert added(api22, ORGANIZATIONS, {"name": f"{letter}A{letter}b {letter}"})["name"] == f"A{letter}b"
    assert api22.post(ORGANIZATIONS, json={"name": letter * 3}).json()["errors"].keys() == {"name"}


def test_blank_is_null_wherever_it_stands(api22):
    made = added(api22, ORGANIZATIONS, {"name": "A", "address": {**ADDRESS, "city": " ", "lines": ["", "x"]}})
    assert (made["address"]["city"], made["address"]["lines"]) == (None, [None, "x"])


def test_a_password_is_not_trimmed(newer, api22):
    login = {"email": "admin@example.com", "password": " admin123", "device_name": "d"}
    assert api22.post("/api/v1/login", json=login).status_code == 422


@pytest.mark.parametrize(
    ("query", "wrong"),
    [
        ("additional->chatwoot_id=5", "additional->chatwoot_id"),
        ("title=a&person_id=1", "person_id"),
        ("foo[]=1", "foo"),
        ("ID=1", "ID"),
        ("sort=foo", "sort"),
        ("sort=id&order=up", "order"),
        ("sort=additional->a", "sort"),
    ],
)
def test_a_list_refuses_what_is_no_column(api22, query, wrong):
    answer = api22.get(f"{ACTIVITIES}?{query}")
    message = f"The selected {wrong} is invalid."
    assert (answer.status_code, answer.json()) == (422, {"message": message, "errors": {wrong: [message]}})
    assert api22.get("/api/v1/settings/users?foo=1").status_code == 500
    assert api22.get(f"{ACTIVITIES}?title[]=1").status_code == 500


def test_a_list_takes_columns_in_a_body_and_any_case_of_its_order(api22):
    for number in (1, 2, 3):
        added(api22, PERSONS, person(number))
    found = api22.request("GET", f"{PERSONS}?sort=name&order=Asc", json={"id": "3,2", "limit": 1})
    assert [row["id"] for row in found.json()["data"]] == [2]
    assert [link["page"] for link in found.json()["meta"]["links"]] == [None, 1, 2, 2]


def test_a_meeting_meets_whatever_is_scheduled(api22):
    assert api22.post(ACTIVITIES, json=scheduled("meeting", "10:00", "10:20")).status_code == 200
    ajax = {"X-Requested-With": "XMLHttpRequest"}
    later = api22.post(ACTIVITIES, json=scheduled("meeting", "12:00", "12:20"), headers=ajax)
    assert later.status_code == 400
    others = scheduled("meeting", "12:00", "12:20", participants={"users": [1]})
    assert api22.post(ACTIVITIES, json=others).status_code == 200


def test_tags_are_checked_before_they_are_put_on_or_taken_off(api22):
    tag = added(api22, "/api/v1/settings/tags", {"name": "T", "color": "#fff"})["id"]
    added(api22, PERSONS, person())
    for path in (f"{PERSONS}/1/tags", "/api/v1/leads/1/tags"):
        for method in ("POST", "DELETE"):
            for body, said in (({}, "required"), ({"tag_id": 99}, "invalid")):
                answer = api22.request(method, path, json=body)
                assert (answer.status_code, said in answer.json()["message"]) == (422, True)
    assert api22.post("/api/v1/leads/1/tags", json={"tag_id": tag}).status_code == 404
    for method in ("POST", "DELETE", "DELETE"):
        assert api22.request(method, f"{PERSONS}/1/tags", json={"tag_id": tag}).status_code == 200


@pytest.mark.parametrize(
    ("view", "groups", "seen"),
    [("individual", 0, [5]), ("group", 0, [5, 1]), ("group", 1, [5]), ("global", 1, [5, 1])],
)
def test_a_user_without_a_global_view_sees_itself_among_the_users(newer, api22, view, groups, seen):
    newer.seed(
        users=[{"id": 5, "name": "U", "email": "u@example.com"}], tokens=[{"user_id": 5, "token": "5|u"}]
    )
    group = added(api22, "/api/v1/settings/groups", {"name": "G"})["id"]
    body = {"name": "U", "email": "u@example.com", "role_id": 1, "status": 1, "password": None}
    body |= {"view_permission": view, "groups": [group] * groups}
    assert api22.put("/api/v1/settings/users/5", json=body).status_code == 200
    with newer.client("u") as client:
        assert [row["id"] for row in client.get("/api/v1/settings/users").json()["data"]] == seen


def test_attributes_are_of_a_known_type_and_their_files_are_reached(newer, api22):
    odd = {"code": "num", "name": "N", "type": "integer", "entity_type": "persons"}
    assert api22.post(ATTRIBUTES, json=odd).json()["errors"].keys() == {"type"}
    assert api22.put(f"{ATTRIBUTES}/29", json={**odd, "code": "emails"}).status_code == 422
    newer.application.krayin.files["persons/1/a.txt"] = b"content"
    assert api22.get(f"{ATTRIBUTES}/download?path=persons/1/a.txt").content == b"content"
    assert api22.get(f"{ATTRIBUTES}/download?path=none").status_code == 500
    assert api22.get(f"{ATTRIBUTES}/abc").status_code == 500


def test_a_workflow_shows_its_entity_type_as_its_event(api22):
    shown = api22.get("/api/v1/settings/workflows").json()["data"]
    assert {row["event"] for row in shown} == {"activities"}


def test_it_has_a_limiter_only_where_one_was_added(newer, api22):
    newer.configure(requests_per_minute=7)
    assert api22.get(PERSONS).headers["X-RateLimit-Limit"] == "7"
    newer.configure(requests_per_minute=None)
    assert "X-RateLimit-Limit" not in api22.get(PERSONS).headers
    assert api22.delete(f"{PERSONS}/9").headers["X-RateLimit-Limit"] == "100"


@pytest.mark.parametrize(
    ("handler", "instance", "statuses"),
    [
        ("shipped", "unlimited", [500, 404, 500, 500]),
        ("shipped", "unlimited-debug", [401, 404, 405, 500]),
        ("rest-api", "unlimited", [401, 404, 500, 500]),
        ("rest-api", "unlimited-debug", [401, 404, 405, 500]),
    ],
)
def test_statuses_depend_on_the_exception_handler(newer, handler, instance, statuses):
    newer.configure(handler=handler, instance=instance)
    with newer.client("bad") as client, newer.client() as good:
        answers = [
            client.get(PERSONS),
            good.get(f"{PERSONS}/9"),
            good.patch("/api/v1/leads/1"),
            good.post(ACTIVITIES, json={"type": "note", "comment": "x", "person_id": 9}),
        ]
    assert [answer.status_code for answer in answers] == statuses
    assert all("X-RateLimit-Limit" not in answer.headers for answer in answers)


def test_without_json_wanted_the_rest_apis_handler_shows_pages(newer):
    newer.configure(handler="rest-api")
    with newer.client() as client:
        pages = [
            client.get(path, headers={"Accept": "*/*"})
            for path in (f"{PERSONS}/9", f"{PERSONS}?limit=-1", f"{PERSONS}?name[]=1")
        ]
    # There are persons nowhere, so that the negative limit is not noticed.
    assert [page.status_code for page in pages] == [404, 200, 500]
    assert "Server Error" in pages[2].text


def test_a_number_in_the_place_of_a_closing_time_is_an_error_after_it_was_written(api):
    lead = added(api, "/api/v1/leads", {"title": "L", "lead_pipeline_stage_id": 5})["id"]
    answer = api.put(f"/api/v1/leads/attributes/edit/{lead}", json={"closed_at": 1_777_975_200})
    assert answer.status_code == 500
    assert api.get(f"/api/v1/leads/{lead}").json()["data"]["closed_at"].startswith("-000001")


@pytest.fixture
def with_umlauts(krayin, api):
    """A person, an organization and a note, made on MariaDB."""
    added(api, PERSONS, person(emails=[{"value": "ünï@example.com", "label": "work"}]))
    added(api, ORGANIZATIONS, {"name": "Org", "address": ADDRESS})
    added(
        api, ACTIVITIES, {"type": "note", "comment": "c", "additional": '{"zz":1,"chatwoot_id":"5","b":"ü"}'}
    )
    return krayin


def search(client, text):
    params = {"search": f'emails:"{text}"', "searchFields": "emails:like"}
    return len(client.get(f"{PERSONS}/search", params=params).json()["data"])


def test_records_moved_to_mysql_are_written_in_its_form(with_umlauts, api):
    assert (search(api, "ünï@example.com"), search(api, r"\\u00fcn\\u00ef@example.com")) == (0, 1)
    with_umlauts.configure(database="mysql")
    assert (search(api, "ünï@example.com"), search(api, r"\\u00fcn\\u00ef@example.com")) == (1, 0)
    shown = api.get(f"{ORGANIZATIONS}/1").json()["data"]["address"]
    assert list(shown.items()) == [
        (key, ADDRESS[key]) for key in ("city", "state", "address", "country", "postcode")
    ]
    assert list(api.get(f"{ACTIVITIES}?type=note").json()["data"][0]["additional"]) == [
        "b",
        "zz",
        "chatwoot_id",
    ]


def test_what_is_unique_beyond_ascii_is_only_enforced_on_mysql(with_umlauts, api):
    again = person(2, emails=[{"value": "ünï@example.com", "label": "work"}])
    with_umlauts.configure(database="mysql")
    assert api.post(PERSONS, json=again).json()["errors"].keys() == {"emails.0.value"}
    with_umlauts.configure(database="mariadb")
    added(api, PERSONS, again)


def test_a_text_equals_a_json_column_only_when_that_holds_a_text(krayin, api):
    krayin.configure(database="mysql")
    for additional in ('"5"', "5", '{"a":"5"}', '["5"]'):
        added(api, ACTIVITIES, {"type": "note", "comment": "c", "additional": additional})

    def found(text):
        return [row["additional"] for row in api.get(ACTIVITIES, params={"additional": text}).json()["data"]]

    assert (found("5"), found('{"a":"5"}'), found('{"a": "5"}'), found('["5"]')) == (["5"], [], [], [])
    assert len(api.get(f"{ACTIVITIES}?additional->a=5").json()["data"]) == 1


def test_a_state_file_is_read_on_another_database(tmp_path):
    path = tmp_path / "state"
    first = Application(Settings(), StateFile(path))
    first.krayin.database["organizations"].insert(
        {"name": "O", "address": '{"postcode":"1","city":"K\\u00f6ln"}'}
    )
    first.state.flush()
    second = Application(Settings(database="mysql", version="2.2"), StateFile(path))
    row = second.krayin.database["organizations"].rows[1]
    assert row["address"] == '{"city": "Köln", "postcode": "1"}'


def test_a_backup_is_restored_on_another_database(with_umlauts, api):
    with_umlauts.backup()
    with_umlauts.configure(database="mysql")
    with_umlauts.restore()
    assert search(api, "ünï@example.com") == 1


def test_it_runs_inside_a_test_as_any_of_them():
    with (
        running_krayin(version="2.2", handler="rest-api", database="mysql") as krayin,
        krayin.client("bad") as client,
    ):
        assert client.get(PERSONS).status_code == 401
        assert krayin.application.krayin.database.storage.product == "MySQL"


@pytest.mark.parametrize("option", ["version", "handler", "database", "instance"])
def test_a_wrong_choice_is_refused_with_the_right_ones(option):
    done = subprocess.run(
        [sys.executable, "-m", "sandbox.krayin", f"--{option}", "3"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert f"--{option}: '3' is none of" in " ".join(done.stderr.split())
