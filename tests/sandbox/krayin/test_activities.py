"""Activities beyond the recorded calls."""

from __future__ import annotations

import json

import pytest

ACTIVITIES = "/api/v1/activities"
CALL = {
    "type": "call",
    "comment": "x",
    "schedule_from": "2026-05-05 10:00:00",
    "schedule_to": "2026-05-05 11:00:00",
}


def note(**fields):
    return {"type": "note", "comment": "x", **fields}


def test_only_participants_of_some_types_are_mailed_on_every_write(api, krayin, add_person):
    add_person(
        emails=[{"value": "a@example.com", "label": "work"}, {"value": "b@example.com", "label": "work"}]
    )
    api.post(ACTIVITIES, json={**CALL, "person_id": 1})
    api.post(ACTIVITIES, json=note(participants={"persons": [1]}))
    assert krayin.mails() == []
    made = api.post(ACTIVITIES, json={**CALL, "participants": {"persons": [1], "users": [1]}}).json()["data"][
        "id"
    ]
    assert [mail["to"] for mail in krayin.mails()] == ["admin@example.com", "a@example.com", "b@example.com"]
    api.put(f"{ACTIVITIES}/{made}", json={})
    api.post(f"{ACTIVITIES}/mass-update", json={"indices": [made], "value": 1})
    assert len(krayin.mails()) == 9
    assert {mail["event"] for mail in krayin.mails()} == {"activity.create.after", "activity.update.after"}


@pytest.mark.parametrize("link", [{"person_id": 9}, {"lead_id": 9}, {"participants": {"persons": [9]}}])
def test_a_dead_link_leaves_the_activity_unlinked(api, krayin, link):
    answer = api.post(ACTIVITIES, json={**note(additional='{"key":"k"}'), **link})
    assert answer.status_code == 500
    assert api.get(f"{ACTIVITIES}?additional->key=k").json()["meta"]["total"] == 1
    assert krayin.records("person_activities")["person_activities"] == []


def test_an_unlinked_activity_is_linked_by_put_once(api, add_person, krayin):
    add_person()
    made = api.post(ACTIVITIES, json=note()).json()["data"]["id"]
    for _ in range(2):
        assert api.put(f"{ACTIVITIES}/{made}", json={"person_id": 1}).status_code == 200
    linked = [row["activity_id"] for row in krayin.records("person_activities")["person_activities"]]
    assert linked.count(made) == 1


def test_comments_are_cut_at_65535_bytes_between_characters(api):
    long = api.post(ACTIVITIES, json=note(comment="x" * 70_000)).json()["data"]
    assert len(api.get(f"{ACTIVITIES}/{long['id']}").json()["data"]["comment"]) == 65_535
    emoji = api.post(ACTIVITIES, json=note(comment="😀" * 20_000)).json()["data"]
    assert api.get(f"{ACTIVITIES}/{emoji['id']}").json()["data"]["comment"] == "😀" * 16_383


def test_epochs_keep_the_instant_and_texts_the_wall_time(krayin, api):
    epoch = api.post(ACTIVITIES, json={**CALL, "schedule_from": 1_778_000_000}).json()["data"]
    assert epoch["schedule_from"] == "2026-05-05T16:53:20.000000Z"
    krayin.configure(timezone="Europe/Berlin")
    text = api.post(ACTIVITIES, json={**CALL, "schedule_from": "2026-05-05T10:00:00Z"}).json()["data"]
    assert text["schedule_from"] == "2026-05-05T08:00:00.000000Z"


def test_additional_is_found_by_any_key_many_at_once(api):
    for number in (1, 2, 3):
        api.post(
            ACTIVITIES,
            json=note(additional=json.dumps({"id": f"m-{number}", "deep": {"n": number}, "url": "a/b"})),
        )
    assert api.get(f"{ACTIVITIES}?additional->id=m-1,m-3,m-9").json()["meta"]["total"] == 2
    assert api.get(f"{ACTIVITIES}?additional->deep->n=2").json()["meta"]["total"] == 1
    assert api.get(f"{ACTIVITIES}?additional->url=a/b").json()["meta"]["total"] == 3
    assert api.get(f"{ACTIVITIES}?additional->id=M-1").json()["meta"]["total"] == 0


def test_is_done_is_forced_on_create_and_free_afterwards(api):
    made = api.post(ACTIVITIES, json={**CALL, "is_done": 1}).json()["data"]
    assert made["is_done"] == 0
    api.post(f"{ACTIVITIES}/mass-update", json={"indices": [made["id"], 999], "value": 1})
    assert api.get(f"{ACTIVITIES}?is_done=1&type=call").json()["meta"]["total"] == 1
    api.post(f"{ACTIVITIES}/mass-update", json={"indices": [made["id"]], "value": 0})
    assert api.get(f"{ACTIVITIES}?is_done=1&type=call").json()["meta"]["total"] == 0


def test_meetings_refuse_times_of_the_same_participants(api, add_person):
    add_person(1), add_person(2)
    meeting = {**CALL, "type": "meeting", "participants": {"persons": [1]}}
    assert api.post(ACTIVITIES, json=meeting).status_code == 200
    assert api.post(ACTIVITIES, json=meeting, follow_redirects=False).status_code == 302
    assert api.post(ACTIVITIES, json={**meeting, "participants": {"persons": [2]}}).status_code == 200


def test_lead_activities_are_not_the_persons(api, add_person, add_lead):
    add_person()
    add_lead(person={"id": 1})
    both = api.post(ACTIVITIES, json=note(title="both", person_id=1, lead_id=1)).json()["data"]["id"]
    assert both in [row["id"] for row in api.get("/api/v1/leads/1/activities").json()["data"]]
    assert both not in [row["id"] for row in api.get("/api/v1/contacts/persons/1/activities").json()["data"]]
