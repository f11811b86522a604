"""Leads beyond the recorded calls."""

from __future__ import annotations

import pytest

LEADS = "/api/v1/leads"


def stored(krayin, number=1):
    return {row["id"]: row for row in krayin.records("leads")["leads"]}[number]


@pytest.fixture
def product(api):
    return api.post("/api/v1/products", json={"name": "P", "sku": "S", "quantity": 5, "price": 10}).json()[
        "data"
    ]


def test_stage_edit_clears_the_column_while_the_api_shows_the_old_date(api, krayin, add_lead):
    add_lead(expected_close_date="2130-01-31")
    moved = api.put(f"{LEADS}/stage/edit/1", json={"lead_pipeline_stage_id": 2}).json()["data"]
    assert moved["expected_close_date"] == "2130-01-30T18:30:00.000000Z"
    assert stored(krayin)["expected_close_date"] is None
    assert api.get(f"{LEADS}?expected_close_date=2130-01-31").json()["meta"]["total"] == 0


def test_values_beyond_the_column_are_clamped(api, add_lead):
    assert add_lead(lead_value=1_000_000_000)["lead_value"] == 1_000_000_000
    assert api.get(f"{LEADS}/1").json()["data"]["lead_value"] == "99999999.9999"


def test_the_close_date_written_back_as_read_shifts_a_day(api, add_lead):
    read = add_lead(expected_close_date="2130-01-31")["expected_close_date"]
    api.put(f"{LEADS}/attributes/edit/1", json={"expected_close_date": read})
    assert api.get(f"{LEADS}/1").json()["data"]["expected_close_date"] == "2130-01-29T18:30:00.000000Z"


def test_mass_update_sets_the_column_only(api, krayin, add_lead):
    add_lead()
    before = len(krayin.records("activities")["activities"])
    assert api.post(f"{LEADS}/mass-update", json={"indices": [1], "value": 5}).status_code == 200
    assert (stored(krayin)["lead_pipeline_stage_id"], stored(krayin)["closed_at"]) == (5, None)
    raw = api.get("/api/v1/settings/attributes/lookup-entity/leads?query=1").json()
    assert raw["lead_pipeline_stage_id"] == 1
    assert len(krayin.records("activities")["activities"]) == before


def test_entering_won_sets_closed_at_again_each_time(api, krayin, add_lead):
    add_lead()
    api.put(f"{LEADS}/attributes/edit/1", json={"lead_pipeline_stage_id": 5})
    first = stored(krayin)["closed_at"]
    krayin.advance(10)
    api.put(f"{LEADS}/attributes/edit/1", json={"lead_pipeline_stage_id": 5})
    assert stored(krayin)["closed_at"] > first
    krayin.advance(-10)


def test_closed_at_as_an_epoch_is_lost(api, krayin, add_lead):
    add_lead()
    api.put(f"{LEADS}/attributes/edit/1", json={"closed_at": 1_778_000_000})
    assert stored(krayin)["closed_at"] == "0000-00-00 00:00:00"
    assert api.get(f"{LEADS}/1").json()["data"]["closed_at"].startswith("-0")


def test_a_null_description_leaves_the_old_text_visible(api, add_lead):
    add_lead(description="old")
    api.put(f"{LEADS}/attributes/edit/1", json={"description": None})
    assert api.get(f"{LEADS}/1").json()["data"]["description"] == "old"
    api.put(f"{LEADS}/attributes/edit/1", json={"description": ""})
    assert api.get(f"{LEADS}/1").json()["data"]["description"] == ""


def test_put_keeps_listed_products_and_gives_new_ones_no_amount(api, add_lead, product):
    line = {"product_id": product["id"], "name": "P", "price": 10, "quantity": 2}
    add_lead(products=[line, line])
    sent = {
        "title": "x",
        "lead_pipeline_stage_id": 1,
        "products": {"1": {**line, "quantity": 7}, "product_x": line},
    }
    shown = api.put(f"{LEADS}/1", json=sent).json()["data"]["lead_products"]
    assert [(row["id"], row["quantity"], row["amount"]) for row in shown] == [(1, 7, "20.0000"), (3, 2, None)]


def test_an_unknown_lead_product_is_404_after_the_lead_was_changed(api, krayin, add_lead):
    add_lead()
    sent = {"title": "changed", "lead_pipeline_stage_id": 1, "products": {"77": {"quantity": 1}}}
    assert api.put(f"{LEADS}/1", json=sent).status_code == 404
    assert stored(krayin)["title"] == "changed"


def test_a_nested_person_stays_when_the_lead_fails_and_blocks_the_retry(api, krayin):
    person = {"name": "X", "emails": [{"value": "x@example.com", "label": "work"}]}
    lead = {"title": "t", "lead_pipeline_stage_id": 1, "lead_source_id": 99, "person": person}
    assert api.post(LEADS, json=lead).status_code == 500
    assert len(krayin.records("persons")["persons"]) == 1
    retry = api.post(LEADS, json={**lead, "lead_source_id": 1})
    assert retry.json()["errors"] == {"person.emails.0.value": ["The value has already been taken."]}


def test_attributes_edit_checks_nothing_and_may_leave_the_pipeline_behind(api, krayin, add_lead):
    krayin.seed(
        pipelines=[
            {"name": "Two", "stages": [{"code": "new", "name": "New"}, {"code": "won", "name": "Won"}]}
        ]
    )
    add_lead()
    moved = api.put(f"{LEADS}/attributes/edit/1", json={"lead_pipeline_stage_id": 8}).json()["data"]
    assert (moved["lead_pipeline_id"], moved["lead_pipeline_stage_id"]) == (1, 8)
    assert moved["closed_at"] is not None
    assert api.put(f"{LEADS}/stage/edit/1", json={"lead_pipeline_stage_id": 8}).status_code == 404


def test_custom_booleans_are_reset_by_every_full_write(api, add_lead):
    api.post(
        "/api/v1/settings/attributes",
        json={"code": "vip", "name": "VIP", "type": "boolean", "entity_type": "leads"},
    )
    add_lead(vip=1)

    def vip():
        return api.get("/api/v1/settings/attributes/lookup-entity/leads?query=1").json()["vip"]

    assert vip() == 1
    api.put(f"{LEADS}/stage/edit/1", json={"lead_pipeline_stage_id": 2})
    assert vip() == 1
    api.put(f"{LEADS}/attributes/edit/1", json={"lead_value": 5})
    assert vip() == 0


def test_lookup_entity_shows_owner_raw_date_and_many_at_once(api, add_lead):
    for number in (1, 2, 3):
        add_lead(title=f"L{number}", expected_close_date="2130-01-31")
    found = api.get("/api/v1/settings/attributes/lookup-entity/leads?query[]=1&query[]=3&query[]=9").json()
    assert [row["title"] for row in found] == ["L1", "L3"]
    assert {row["expected_close_date"] for row in found} == {"2130-01-31"}
    assert {row["user_id"] for row in found} == {1}
    assert api.get("/api/v1/settings/attributes/lookup-entity/leads?query=9").json() == {}


@pytest.mark.parametrize(
    ("value", "passes"), [("12,50", False), (1234.56789, False), (-5, False), ("7.1234", True), (0, True)]
)
def test_lead_values_are_plain_decimals(api, value, passes):
    answer = api.post(LEADS, json={"title": "t", "lead_pipeline_stage_id": 1, "lead_value": value})
    assert (answer.status_code == 200) == passes
    if not passes:
        assert answer.json()["errors"] == {"lead_value": ["The lead_value must be a decimal."]}


def test_kanban_sums_values_and_shows_ten_leads(api, add_lead):
    for _ in range(11):
        add_lead()
    first = api.get(f"{LEADS}/get?pipeline_stage_id=1").json()["data"][0]
    assert (first["lead_value"], first["formatted_lead_value"]) == ("1100.0000", "$1,100.00")
    assert (len(first["leads"]["data"]), first["leads"]["meta"]["last_page"]) == (10, 2)


@pytest.mark.parametrize(
    ("products", "errors"),
    [
        (5, {"products": ["The products must be an array."]}),
        (None, {"products": ["The products must be an array."]}),
        (
            [{"product_id": 9, "name": "P", "price": 1, "quantity": 1}],
            {"products.0.product_id": ["admin::app.leads.selected-product-not-exist"]},
        ),
        (
            {"product_0": {"product_id": None, "name": "P"}},
            {"products.product_0.product_id": ["The products.product_0.product_id field is required."]},
        ),
        (
            [{"product_id": 1}],
            {
                "products.0.name": ["admin::app.leads.product-name-required"],
                "products.0.price": ["admin::app.leads.product-price-required"],
                "products.0.quantity": ["admin::app.leads.product-quantity-required"],
            },
        ),
    ],
)
@pytest.mark.usefixtures("product")
def test_products_are_checked_on_creating_and_on_changing_a_lead(api, add_lead, products, errors):
    add_lead()
    sent = {"title": "t", "lead_pipeline_stage_id": 1, "products": products}
    for answer in (api.post(LEADS, json=sent), api.put(f"{LEADS}/1", json=sent)):
        assert answer.status_code == 422
        assert answer.json()["errors"] == errors


@pytest.mark.usefixtures("product")
def test_a_kept_product_needs_no_name(api, add_lead):
    add_lead(products=[{"product_id": 1, "name": "P", "price": 10, "quantity": 1}])
    sent = {"title": "t", "lead_pipeline_stage_id": 1, "products": {"1": {"quantity": 3}}}
    shown = api.put(f"{LEADS}/1", json=sent).json()["data"]["lead_products"]
    assert [(row["quantity"], row["price"]) for row in shown] == [(3, "10.0000")]


def test_the_kanban_shows_users_without_global_permission_only_what_they_may_see(api, krayin, add_lead):
    krayin.seed(
        users=[
            {"id": 7, "email": "seven@example.com", "view_permission": "individual"},
            {"id": 8, "email": "eight@example.com", "view_permission": "group"},
        ]
    )
    add_lead(title="mine", user_id=7)
    add_lead(title="other", user_id=1)
    add_lead(title="nobody's", user_id=None)
    krayin.seed(
        tokens=[{"id": 70, "user_id": 7, "token": "seven"}, {"id": 80, "user_id": 8, "token": "eight"}]
    )
    with krayin.client("80|eight") as eight:
        assert eight.get(f"{LEADS}/get").status_code == 500
    with krayin.client("70|seven") as seven:
        stages = seven.get(f"{LEADS}/get").json()["data"]
    assert [row["title"] for row in stages[0]["leads"]["data"]] == ["mine"]
    assert stages[0]["lead_value"] == "100.0000"
    assert api.get(f"{LEADS}/get").json()["data"][0]["leads"]["meta"]["total"] == 3


@pytest.mark.parametrize(
    ("value", "status"),
    [("9999-12-31", 200), ("2130-02-30", 422), ("garbage", 422), (0, 422), (["2130-01-01"], 422)],
)
def test_close_dates_up_to_the_last_year(api, value, status):
    answer = api.post(LEADS, json={"title": "t", "lead_pipeline_stage_id": 1, "expected_close_date": value})
    assert answer.status_code == status


def test_only_ascii_digits_are_a_decimal(api):
    answer = api.post(LEADS, json={"title": "t", "lead_pipeline_stage_id": 1, "lead_value": "١٢"})
    assert answer.json()["errors"] == {"lead_value": ["The lead_value must be a decimal."]}


def test_indices_beyond_64_bits_are_no_integers(api):
    answer = api.post(f"{LEADS}/mass-destroy", json={"indices": ["99999999999999999999", 10**20, 2.0]})
    assert list(answer.json()["errors"]) == ["indices.0", "indices.1"]


def test_a_raw_lead_shows_its_stage_and_no_rotten_days(api, add_lead):
    add_lead()
    raw = api.get("/api/v1/settings/attributes/lookup-entity/leads?query=1").json()
    assert raw["rotten_days"] == 0
    assert raw["stage"] == {
        "id": 1,
        "code": "new",
        "name": "New",
        "probability": 100,
        "sort_order": 1,
        "lead_pipeline_id": 1,
    }
