"""The lists under /settings beyond the recorded calls."""

from __future__ import annotations

import pytest

SETTINGS = "/api/v1/settings"


@pytest.mark.parametrize("kind", ["sources", "types", "groups", "workflows"])
def test_deleting_what_is_not_there_is_an_error(api, kind):
    assert api.delete(f"{SETTINGS}/{kind}/999").status_code == 500


def test_a_tag_can_be_deleted_twice(api):
    number = api.post(f"{SETTINGS}/tags", json={"name": "vip"}).json()["data"]["id"]
    for _ in range(2):
        answer = api.delete(f"{SETTINGS}/tags/{number}")
        assert (answer.status_code, answer.json()) == (
            200,
            {"data": {"message": "Tag deleted successfully."}},
        )


@pytest.mark.parametrize("kind", ["sources", "types", "roles"])
def test_the_id_to_change_is_a_number_before_anything_is_checked(api, kind):
    assert api.put(f"{SETTINGS}/{kind}/abc", json={}).status_code == 500
    assert api.put(f"{SETTINGS}/{kind}/999", json={}).status_code == 422


@pytest.mark.parametrize("kind", ["groups", "tags", "workflows"])
def test_other_ids_are_checked_after_the_body(api, kind):
    assert api.put(f"{SETTINGS}/{kind}/abc", json={}).status_code == 422
    assert api.put(f"{SETTINGS}/{kind}/abc", json={"name": "N"}).status_code == 404


def test_a_source_in_use_stays(api, add_lead):
    add_lead(lead_source_id=2)
    answer = api.delete(f"{SETTINGS}/sources/2")
    assert (answer.status_code, answer.json()) == (200, {"data": {"message": "Source delete failed."}})


def role(api, name="Sales", **fields):
    return api.post(f"{SETTINGS}/roles", json={"name": name, "permission_type": "custom", **fields})


def test_a_role_has_a_list_of_permissions(api):
    assert role(api).json()["data"]["permissions"] == []
    assert role(api, "Leads", permissions=["leads"]).json()["data"]["permissions"] == ["leads"]


def test_the_name_of_a_role_is_compared_with_others_only_when_it_is_new(api):
    number = role(api).json()["data"]["id"]
    assert role(api).json()["errors"] == {"name": ["The name has already been taken."]}
    body = {"name": "Administrator", "permission_type": "all"}
    assert api.put(f"{SETTINGS}/roles/{number}", json=body).status_code == 200


def test_neither_the_last_role_nor_ones_own_is_deleted(api):
    kept = "rest-api::app.settings.roles"
    answer = api.delete(f"{SETTINGS}/roles/1")
    assert (answer.status_code, answer.json()) == (200, {"data": {"message": f"{kept}.last-delete-error"}})
    number = role(api).json()["data"]["id"]
    own = api.delete(f"{SETTINGS}/roles/1")
    assert own.json() == {"data": {"message": f"{kept}.current-role-delete-error"}}
    assert api.delete(f"{SETTINGS}/roles/{number}").json() == {
        "data": {"message": "Role deleted successfully."}
    }
    assert api.delete(f"{SETTINGS}/roles/{number}").status_code == 404


def user(api, number):
    body = {
        "email": f"u{number}@example.com",
        "name": "U",
        "role_id": 1,
        "status": 1,
        "view_permission": "global",
    }
    return api.post(f"{SETTINGS}/users", json=body).json()["data"]["id"]


def test_deleting_the_users_role_deletes_the_users(api):
    number = role(api).json()["data"]["id"]
    other = user(api, 1)
    body = {
        "email": "u1@example.com",
        "name": "U",
        "role_id": number,
        "status": 1,
        "view_permission": "global",
        "password": None,
    }
    assert api.put(f"{SETTINGS}/users/{other}", json=body).status_code == 200
    assert api.delete(f"{SETTINGS}/roles/{number}").status_code == 200
    assert [shown["id"] for shown in api.get(f"{SETTINGS}/users").json()["data"]] == [1]


def test_while_there_is_one_user_only_none_is_deleted(api):
    alone = api.delete(f"{SETTINGS}/users/999")
    assert (alone.status_code, alone.json()) == (200, {"data": {"message": "At least one user is required."}})
    assert api.delete(f"{SETTINGS}/users/1").json() == {"data": {"message": "User delete failed."}}
    user(api, 1)
    assert api.delete(f"{SETTINGS}/users/999").status_code == 500


def test_users_are_changed_and_deleted_together_but_never_oneself(api):
    number = user(api, 1)

    def said(what, indices, **fields):
        return api.post(f"{SETTINGS}/users/{what}", json={"indices": indices, **fields}).json()["data"][
            "message"
        ]

    assert said("mass-update", [1], value=0) == "Selected users update failed."
    assert said("mass-update", [1, number, 999], value=0) == "Selected users updated successfully."
    assert said("mass-destroy", [1]) == "Selected users delete failed."
    assert said("mass-destroy", [1, number, 999]) == "Selected users deleted successfully."
    assert [shown["status"] for shown in api.get(f"{SETTINGS}/users").json()["data"]] == [1]


def attribute(api, code):
    body = {"code": code, "name": code, "type": "text", "entity_type": "persons"}
    return api.post(f"{SETTINGS}/attributes", json=body).json()["data"]["id"]


def test_attributes_that_krayin_ships_are_not_deleted(api):
    one = api.delete(f"{SETTINGS}/attributes/1")
    assert (one.status_code, one.json()) == (
        200,
        {"data": {"message": "User defined attribute can not be deleted."}},
    )
    several = api.post(f"{SETTINGS}/attributes/mass-destroy", json={"indices": [1, 2]})
    assert (several.status_code, several.json()) == (200, {"data": {"message": "Attribute delete failed."}})


def test_deleting_attributes_together_stops_at_one_that_is_not_there(api):
    first, last = attribute(api, "cw_a"), attribute(api, "cw_b")
    path = f"{SETTINGS}/attributes/mass-destroy"
    assert api.post(path, json={"indices": [first, 999, last]}).status_code == 500
    assert api.get(f"{SETTINGS}/attributes/{first}").status_code == 500
    assert api.post(path, json={"indices": [1, last]}).json() == {
        "data": {"message": "Attribute deleted successfully."}
    }
