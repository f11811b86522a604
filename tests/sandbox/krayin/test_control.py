"""The sandbox's own routes: reset, seed, faults, calls, state and races."""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from sandbox.krayin.application import Application
from sandbox.krayin.settings import Settings
from sandbox.krayin.state import StateFile
from tests.ports import free_port

PERSONS = "/api/v1/contacts/persons"
ORGANIZATIONS = "/api/v1/contacts/organizations"


def person(number, phone=None):
    return {
        "name": f"P{number}",
        "emails": [{"value": f"p{number}@example.com", "label": "work"}],
        "contact_numbers": [{"value": phone or f"+{number}", "label": "work"}],
    }


def names(krayin):
    return [row["name"] for row in krayin.records("organizations")["organizations"]]


def test_a_dropped_connection_before_writes_nothing_and_after_writes_all(krayin, api):
    for kind, left in (("drop_before", []), ("drop_after", ["A"])):
        krayin.set_faults({"kind": kind, "method": "POST", "count": 1})
        with pytest.raises(httpx.TransportError):
            api.post(ORGANIZATIONS, json={"name": "A"})
        assert names(krayin) == left
    assert krayin.calls()[-1]["status"] is None


def test_gateway_and_server_errors_before_or_after_the_commit(krayin, api):
    krayin.set_faults(
        {"kind": "status_504", "after": True, "count": 1}, {"kind": "error_after", "count": 1, "skip": 1}
    )
    first = api.post(ORGANIZATIONS, json={"name": "A"})
    assert (first.status_code, first.headers["Content-Type"]) == (504, "text/html; charset=UTF-8")
    second = api.post(ORGANIZATIONS, json={"name": "B"})
    assert (second.status_code, "X-RateLimit-Limit" in second.headers) == (500, True)
    krayin.set_faults({"kind": "error_before"}, {"kind": "status_502"})
    assert api.post(ORGANIZATIONS, json={"name": "C"}).status_code == 500
    krayin.clear_faults()
    assert names(krayin) == ["A", "B"]


def test_a_late_answer_comes_after_the_client_gave_up(krayin):
    krayin.set_faults({"kind": "delay_after", "seconds": 2, "route": "organizations$", "count": 1})
    with krayin.client() as client, pytest.raises(httpx.ReadTimeout):
        client.post(ORGANIZATIONS, json={"name": "late"}, timeout=0.3)
    assert names(krayin) == ["late"]


def test_wrong_json_and_seeded_chances_repeat(krayin, api):
    def run():
        krayin.set_faults({"kind": "wrong_json", "probability": 0.5}, seed=7)
        return [api.get("/api/v1/get").text.endswith('"id":') for _ in range(20)]

    first = run()
    assert run() == first
    assert {True, False} == set(first)


def test_calls_are_counted_with_their_bodies_on_demand(krayin, api):
    api.post(ORGANIZATIONS, json={"name": "A"})
    api.get("/api/v1/get")
    assert [(call["method"], call["status"], call["remaining"]) for call in krayin.calls()] == [
        ("POST", 200, 99_999),
        ("GET", 200, 99_998),
    ]
    assert krayin.calls(bodies=True)[0]["request"] == '{"name":"A"}'
    assert "request" not in krayin.calls()[0]


def test_seeded_records_are_as_good_as_written_ones(krayin, api):
    made = krayin.seed(
        attributes=[{"code": "key", "type": "text", "entity_type": "leads"}],
        tags=[{"name": "vip"}],
        products=[{"name": "P", "sku": "S", "price": 10, "quantity": 1}],
        persons=[{**person(1), "tags": [1], "user_id": 1}],
        leads=[
            {
                "title": "old",
                "person_id": 1,
                "lead_value": 5,
                "expected_close_date": "2020-02-02",
                "tags": [1],
                "products": [{"product_id": 1, "price": 10, "quantity": 3}],
                "key": "k-1",
            }
        ],
        activities=[{"type": "note", "comment": "c", "person_id": 1, "additional": {"id": "x"}}],
    )
    assert (made["persons"], made["leads"], made["activities"]) == ([1], [1], [1])
    lead = api.get("/api/v1/leads/1").json()["data"]
    assert lead["expected_close_date"] == "2020-02-01T18:30:00.000000Z"
    assert lead["lead_products"][0]["amount"] == "30.0000"
    assert api.post(PERSONS, json=person(1, "+2")).status_code == 422
    assert api.get("/api/v1/settings/attributes/lookup-entity/leads?query=1").json()["key"] == "k-1"
    assert api.get("/api/v1/activities?additional->id=x").json()["meta"]["total"] == 1
    assert len(api.get(f"{PERSONS}/1/activities").json()["data"]) == 1


def test_a_seed_that_does_not_fit_says_why(krayin):
    answer = httpx.post(f"{krayin.url}/sandbox/seed", json={"leads": [{"titel": "x"}]})
    assert (answer.status_code, "titel" in answer.json()["message"]) == (422, True)
    assert httpx.post(f"{krayin.url}/sandbox/seed", json={"laeds": []}).status_code == 422


def test_reset_empties_everything_and_may_change_the_instance(krayin, api):
    api.post(ORGANIZATIONS, json={"name": "A"})
    krayin.reset(instance="limited")
    assert names(krayin) == []
    assert api.get("/api/v1/get").headers["X-RateLimit-Remaining"] == "59"


def test_parallel_writes_are_serialised(krayin):
    def write(number):
        with krayin.client() as client:
            return client.post(PERSONS, json=person(1, f"+{number}")).status_code

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(write, range(4))) == [200, 422, 422, 422]


def test_races_make_the_duplicates_the_real_server_makes(krayin):
    krayin.configure(races=4)

    def write(number):
        with krayin.client() as client:
            return client.post(PERSONS, json=person(1, f"+{number}")).status_code

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(write, range(4))) == [200] * 4


def test_a_state_file_survives_the_process(tmp_path):
    path = tmp_path / "krayin.jsonl"
    first = Application(Settings(token="9|kept"), StateFile(path))
    first.krayin.database["tags"].insert({"name": "kept", "user_id": 1})
    first.krayin.database["tags"].insert({"name": "gone", "user_id": 1})
    first.krayin.database["tags"].delete(2)
    first.state.flush()
    with path.open("a") as stream:
        stream.write('["tags", 3, {"half')
    second = Application(Settings(token="9|kept"), StateFile(path))
    assert second.krayin.database.dump() == first.krayin.database.dump()
    assert second.krayin.database["tags"].insert({"name": "next", "user_id": 1})["id"] == 3


def test_the_command_starts_a_server_that_keeps_its_records(tmp_path):
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "sandbox.krayin",
        "--port",
        str(port),
        "--token",
        "T",
        "--instance",
        "limited",
        "--state",
        str(tmp_path / "state"),
    ]
    url = f"http://127.0.0.1:{port}"
    headers = {"Authorization": "Bearer T", "Accept": "application/json"}

    def started():
        process = subprocess.Popen(command)
        for _ in range(600):
            try:
                httpx.get(f"{url}/sandbox/health").raise_for_status()
            except httpx.TransportError:
                time.sleep(0.05)
            else:
                return process
        raise TimeoutError

    process = started()
    try:
        made = httpx.post(url + ORGANIZATIONS, json={"name": "kept"}, headers=headers)
        assert (made.status_code, made.headers["X-RateLimit-Limit"]) == (200, "60")
    finally:
        process.kill()
        process.wait()
    process = started()
    try:
        assert httpx.get(url + ORGANIZATIONS, headers=headers).json()["data"][0]["name"] == "kept"
    finally:
        process.kill()
        process.wait()


def test_a_restored_backup_gives_ids_out_again(krayin, api):
    kept = api.post(PERSONS, json=person(1)).json()["data"]["id"]
    krayin.backup()
    lost = api.post(PERSONS, json=person(2)).json()["data"]["id"]
    krayin.restore()
    assert [row["id"] for row in krayin.records("persons")["persons"]] == [kept]
    assert api.post(PERSONS, json=person(3)).json()["data"]["id"] == lost
    # What was lost can be written again: nothing of it is left in an index.
    assert api.post(PERSONS, json=person(2)).status_code == 200
