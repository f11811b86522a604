"""Lists and searches beyond the recorded calls."""

from __future__ import annotations

import pytest

PERSONS = "/api/v1/contacts/persons"


@pytest.fixture
def people(krayin):
    krayin.seed(
        organizations=[{"name": "Ácme, Inc."}, {"name": "Zeta"}],
        persons=[
            {
                "name": f"Person {number:02}",
                "emails": [{"value": f"user{number}@example.com", "label": "work"}],
                "contact_numbers": [{"value": f"+49{number}", "label": "work"}],
                "organization_id": 1 + number % 2,
                "user_id": 1 if number < 5 else None,
            }
            for number in range(1, 151)
        ],
    )


def ids(answer):
    assert answer.status_code == 200, answer.text
    return [row["id"] for row in answer.json()["data"]]


def test_page_numbers_are_shown_in_a_window(api, people):
    def labels(page):
        return [
            link["label"]
            for link in api.get(PERSONS, params={"limit": 5, "page": page}).json()["meta"]["links"][1:-1]
        ]

    assert labels(1) == ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "...", "29", "30"]
    assert labels(15) == ["1", "2", "...", "12", "13", "14", "15", "16", "17", "18", "...", "29", "30"]
    assert labels(28) == ["1", "2", "...", "21", "22", "23", "24", "25", "26", "27", "28", "29", "30"]


def test_columns_of_any_kind_filter_and_combine(api, people):
    assert ids(api.get(PERSONS, params={"organization_id": "1", "user_id": "1"})) == [4, 2]
    assert ids(api.get(PERSONS, params={"ID": "3,5"})) == [5, 3]
    assert api.get(PERSONS, params={"name": "PERSON 07 "}).json()["meta"]["total"] == 1


@pytest.mark.parametrize(
    "query",
    [
        "foo=1",
        "search=x",
        "person_id=1",
        "id[]=1",
        "sort=foo",
        "sort=id&order=up",
        "limit=abc",
        "limit=-1",
        "emails->[0]->value=x",
    ],
)
def test_what_is_no_column_is_an_error(api, people, query):
    answer = api.get(f"{PERSONS}?{query}")
    assert answer.status_code == 500
    assert answer.headers["X-RateLimit-Limit"] == "100000"


def test_an_unknown_sort_column_is_not_noticed_without_rows(api):
    assert api.get(f"{PERSONS}?sort=foo").status_code == 200


def test_a_json_body_filters_by_position(api, people):
    body = {"emails->[0]->value": "user3@example.com,user5@example.com,USER7@example.com", "limit": 50}
    assert ids(api.request("GET", PERSONS, json=body)) == [5, 3]
    assert ids(api.request("GET", PERSONS, json={"contact_numbers->[0]->value": "+4912"})) == [12]
    assert ids(api.request("GET", PERSONS, json={"emails->[1]->value": "user3@example.com"})) == []


def test_searches_with_a_colon_lose_their_filter(api, people):
    everything = ids(api.get(f"{PERSONS}/search"))
    assert len(everything) == 10
    assert (
        ids(api.get(f"{PERSONS}/search", params={"search": "a:b", "searchFields": "name:like"})) == everything
    )
    assert ids(api.get(f"{PERSONS}/search", params={"search": "", "searchFields": "name:like"})) == everything


def test_whole_values_are_found_with_quotes(api, people):
    found = api.get(
        f"{PERSONS}/search", params={"search": '"user1@example.com"', "searchFields": "emails:like"}
    )
    assert ids(found) == [1]
    joined = {
        "search": "emails:user3@;contact_numbers:+494",
        "searchFields": "emails:like;contact_numbers:like",
    }
    assert ids(api.get(f"{PERSONS}/search", params={**joined, "limit": 100}))[:2] == [3, 4]
    assert ids(api.get(f"{PERSONS}/search", params={**joined, "searchJoin": "and"})) == []


def test_searches_through_relations(api, people, add_lead):
    add_lead(person={"id": 7})
    found = api.get(
        "/api/v1/leads/search", params={"search": '"user7@example.com"', "searchFields": "person.emails:like"}
    )
    assert ids(found) == [1]
    assert ids(
        api.get(
            f"{PERSONS}/search", params={"search": "zeta", "searchFields": "organization.name:=", "limit": 2}
        )
    ) == [1, 3]
    assert (
        api.get(f"{PERSONS}/search", params={"search": "x", "searchFields": "nothing.name:="}).status_code
        == 500
    )


def test_any_text_attribute_is_found(api, people):
    api.post(
        "/api/v1/settings/attributes",
        json={"code": "key", "name": "Key", "type": "text", "entity_type": "persons"},
    )
    for number in (1, 2):
        body = {
            "name": f"K{number}",
            "emails": [{"value": f"k{number}@e.de", "label": "w"}],
            "contact_numbers": [{"value": "", "label": "w"}],
            "key": f"cw-{number}",
        }
        assert api.post(PERSONS, json=body).status_code == 200
    params = {
        "search": "attribute_values.text_value:cw-1,cw-2,k1",
        "searchFields": "attribute_values.text_value:in",
    }
    assert ids(api.get(f"{PERSONS}/search", params=params)) == [151, 152]
    assert api.get(PERSONS, params={"key": "cw-1"}).status_code == 500


def test_organizations_with_commas_are_found_by_lookup(api, people):
    assert (
        api.get("/api/v1/contacts/organizations", params={"name": "Ácme, Inc."}).json()["meta"]["total"] == 0
    )
    found = api.get("/api/v1/settings/attributes/lookup/organizations", params={"query": "acme, inc"}).json()[
        "data"
    ]
    assert [(row["id"], row["name"]) for row in found] == [(1, "Ácme, Inc.")]


def test_limit_zero_and_no_pages(api, people):
    assert api.get(f"{PERSONS}?limit=0").json()["meta"]["per_page"] == 15
    everything = api.get(f"{PERSONS}?pagination=0").json()
    assert (len(everything["data"]), "meta" in everything) == (150, False)


def test_workflows_are_listed(api):
    found = api.get("/api/v1/settings/workflows").json()["data"]
    assert {row["event"] for row in found} == {"activity.create.after", "activity.update.after"}


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (
            "foo=1,%202&name=x",
            (
                "SQLSTATE[42S22]: Column not found: 1054 Unknown column 'foo' in 'WHERE' (Connection: mysql, "
                "SQL: select count(*) as aggregate from `persons` where `foo` in (1, 2) and `name` in (x))"
            ),
        ),
        (
            "foo=1&pagination=0",
            (
                "SQLSTATE[42S22]: Column not found: 1054 Unknown column 'foo' in 'WHERE' (Connection: mysql, "
                "SQL: select * from `persons` where `foo` in (1) order by `id` desc)"
            ),
        ),
        (
            "sort=foo&limit=5&page=2",
            (
                "SQLSTATE[42S22]: Column not found: 1054 Unknown column 'foo' in 'ORDER BY' (Connection: mysql, "
                "SQL: select * from `persons` order by `foo` desc limit 5 offset 5)"
            ),
        ),
        ("sort=name&order=evil", 'Order direction must be "asc" or "desc".'),
        ("limit=abc", "Unsupported operand types: int * string"),
    ],
)
def test_debug_shows_what_went_wrong_in_a_list(api, krayin, people, query, message):
    krayin.configure(instance="unlimited-debug")
    answer = api.get(f"{PERSONS}?{query}")
    assert (answer.status_code, answer.json()["message"]) == (500, message)
    krayin.configure(instance="unlimited")


def test_sorting_an_empty_list_by_an_unknown_column_is_fine(api, people):
    assert ids(api.get(f"{PERSONS}?id=9999&sort=foo")) == []


@pytest.mark.parametrize(
    ("name", "status"),
    [("lead_pipeline_stages", 200), ("warehouses", 200), ("locations", 200), ("products", 500), ("x", 500)],
)
def test_what_can_be_looked_up(api, name, status):
    assert api.get(f"/api/v1/settings/attributes/lookup/{name}").status_code == status
