"""Every method sends what it should and trusts no answer it can check."""

from __future__ import annotations

import json

import httpx
import pytest
from krayin.catalogue import Source
from krayin.errors import DeletionsLimited, FilterIgnored, Rejected, ServerFailed, UnexpectedAnswer
from krayin.records import Lead, Person


def generic(kit, **headers):
    return kit.answer({"message": "admin::app.common.internal-server-error"}, 500, **headers)


def query_of(request: httpx.Request) -> dict[str, str]:
    return dict(request.url.params.multi_items())


def test_lists_are_read_to_their_last_page(kit):
    run = kit.script(
        kit.answer(kit.page([{"id": 1, "name": "A"}], 1, 2)),
        kit.answer(kit.page([{"id": 2, "name": "B"}], 2, 2)),
    )
    assert [source.id for source in run.client.every(Source)] == [1, 2]
    assert [query_of(request)["page"] for request in run.requests] == ["1", "2"]
    assert query_of(run.requests[0])["sort"] == "id"
    assert query_of(run.requests[0])["order"] == "asc"


def test_one_page_says_where_it_stands(kit):
    run = kit.script(kit.answer(kit.page([kit.person(5)], 3, 7, 61)))
    page = run.client.page(Person, 3, 10, sort="updated_at", order="desc")
    assert ([one.id for one in page.rows], page.current_page, page.last_page, page.total) == ([5], 3, 7, 61)
    assert query_of(run.requests[0]) == {"page": "3", "limit": "10", "sort": "updated_at", "order": "desc"}


def test_a_list_of_another_shape_is_unexpected(kit):
    for body in ({"data": []}, {"data": [], "meta": {}}, [], {"data": {}, "meta": kit.page([])["meta"]}):
        with pytest.raises(UnexpectedAnswer):
            kit.script(kit.answer(body)).client.page(Lead, 1, 10)


def test_a_record_of_another_shape_is_named(kit):
    rows = [kit.person(5), {**kit.person(6), "emails": True}]
    with pytest.raises(UnexpectedAnswer) as caught:
        kit.script(kit.answer(kit.page(rows))).client.page(Person, 1, 10)
    assert "record 6: Person.emails: " in caught.value.reason


def test_ids_are_read_in_chunks_of_a_hundred(kit):
    run = kit.script(*[kit.answer(kit.page([kit.person(one)])) for one in (1, 101, 201)])
    run.client.by_ids(Person, [*range(1, 251), 7])
    assert [len(query_of(request)["id"].split(",")) for request in run.requests] == [100, 100, 50]


def test_no_ids_no_call(kit):
    run = kit.script()
    assert run.client.by_ids(Person, []) == []
    assert run.client.leads_of_persons([]) == []
    assert run.client.lookup_entities("leads", []) == {}
    assert run.client.find_persons([], []) == []
    assert run.client.organizations_by_names([" "]) == []
    assert run.client.activities_by_key("chatwoot_id", []) == []
    run.client.mark_activities([], True)


def test_ids_that_are_absent_are_believed_of_a_list_that_finds_one(kit):
    none, newest = kit.answer(kit.page([])), kit.answer(kit.page([kit.person(9)]))
    run = kit.script(none, newest, newest, none)
    assert run.client.by_ids(Person, [1]) == run.client.by_ids(Person, [2]) == []
    assert [query_of(request).get("id") for request in run.requests] == ["1", None, "9", "2"]


def test_a_list_that_does_not_look_for_ids_is_not_believed(kit):
    newest, none = kit.answer(kit.page([kit.person(9)])), kit.answer(kit.page([]))
    for answers in ([newest], [none, newest, none]):
        with pytest.raises(FilterIgnored, match="cache, proxy or firewall"):
            kit.script(*answers).client.by_ids(Person, [1])


def test_nothing_is_there_in_an_empty_krayin(kit):
    assert kit.script(*[kit.answer(kit.page([]))] * 2).client.by_ids(Person, [1]) == []


def test_leads_of_other_persons_are_not_believed(kit):
    rows = [{"id": 2, "person": {"id": 1}}, {"id": 1, "person": {"id": 1}}]
    run = kit.script(kit.answer(kit.page(rows)))
    assert [lead.id for lead in run.client.leads_of_persons([1])] == [1, 2]
    for other in ({"id": 3, "person": {"id": 8}}, {"id": 4}):
        with pytest.raises(FilterIgnored):
            kit.script(kit.answer(kit.page([*rows, other]))).client.leads_of_persons([1])


def test_entities_are_looked_up_25_at_a_time_and_unknown_ones_are_absent(kit):
    run = kit.script(kit.answer([{"id": 1, "vip": 1}, {"id": 2}]), kit.answer({}), kit.answer({"id": 99}))
    found = run.client.lookup_entities("persons", range(1, 52))
    assert {one: entity.values for one, entity in found.items()} == {1: {"id": 1, "vip": 1}, 2: {"id": 2}}
    assert [len(request.url.params.get_list("query[]")) for request in run.requests] == [25, 25, 1]
    assert run.requests[0].url.path == "/api/v1/settings/attributes/lookup-entity/persons"


def test_persons_are_found_by_email_or_phone_and_verified(kit):
    rows = [
        kit.person(3, "ANNA@example.com"),
        kit.person(1, "x@y", phones=("+491",)),
        kit.person(2, "anna@example.com.org", phones=("+4912",)),
    ]
    run = kit.script(kit.answer({"data": rows}))
    assert [one.id for one in run.client.find_persons(["anna@example.com"], ["+491"])] == [1, 3]
    assert query_of(run.requests[0])["search"] == 'emails:"anna@example.com";contact_numbers:"+491"'


def test_an_unfiltered_answer_finds_nobody(kit):
    run = kit.script(kit.answer({"data": [kit.person(one, f"p{one}@example.com") for one in range(10)]}))
    assert run.client.find_persons(["anna@example.com"], []) == []


def test_a_capital_letter_costs_a_second_search(kit):
    run = kit.script(kit.answer({"data": []}), kit.answer({"data": [kit.person(1, "anna@b.c")]}))
    assert [one.id for one in run.client.find_persons(["Anna@b.c"], [])] == [1]


def test_a_user_who_may_not_search_is_not_asked_to(kit):
    run = kit.script()
    run.client.may_search = False
    assert run.client.find_persons(["anna@b.c"], ["+491"]) == []
    assert run.client.takes_no_email(lambda: True) is None
    assert not run.client.can_search(["anna@b.c"], [])


def test_a_search_that_times_out_is_not_taken_for_a_forbidden_one(kit):
    run = kit.script(*[httpx.ReadTimeout("t") for _ in range(4)])
    with pytest.raises(ServerFailed):
        run.client.find_persons(["anna@b.c"], [])


def test_values_with_colons_are_not_searched_for(kit):
    run = kit.script(kit.answer({"data": [kit.person(1, "a@b.c")]}))
    assert not run.client.can_search(["a@b.c"], ["tel:+491"])
    assert [one.id for one in run.client.find_persons(["a@b.c"], ["tel:+491"])] == [1]


def test_organizations_are_found_by_names_with_and_without_commas(kit):
    run = kit.script(
        kit.answer(kit.page([{"id": 2, "name": "MULLER gmbh"}, {"id": 3, "name": "Other"}])),
        kit.answer({"data": [{"id": 9, "name": "Acme, Inc."}, {"id": 8, "name": "Acme, Inc. Berlin"}]}),
        kit.answer(kit.page([{"id": 9, "name": "Acme, Inc."}])),
    )
    found = run.client.organizations_by_names(["Müller GmbH", "acme, inc.", ""])
    assert [one.id for one in found] == [2, 9]
    assert query_of(run.requests[0])["name"] == "Müller GmbH"
    assert query_of(run.requests[1])["query"] == "acme%2C%20inc."
    assert query_of(run.requests[2])["id"] == "9"


def test_filters_stay_below_the_length_a_proxy_takes(kit):
    names = [f"{'ü' * 120} {one}" for one in range(20)]
    run = kit.script(*[kit.answer(kit.page([])) for _ in range(20)])
    run.client.organizations_by_names(names)
    assert 1 < len(run.requests) <= 10
    assert all(len(str(request.url)) < 4_000 for request in run.requests)
    assert sum(len(query_of(request)["name"].split(",")) for request in run.requests) == 20


def test_activities_are_found_by_our_key_only(kit):
    rows = [
        {"id": 2, "type": "note", "additional": {"chatwoot_id": 5}},
        {"id": 1, "type": "note", "additional": {"chatwoot_id": "6"}},
    ]
    run = kit.script(kit.answer(kit.page(rows)))
    assert [one.id for one in run.client.activities_by_key("chatwoot_id", ["5", "6"])] == [1, 2]
    assert query_of(run.requests[0])["additional->chatwoot_id"] == "5,6"
    for other in ({"chatwoot_id": "7"}, None):
        # A Krayin that heeds columns only shows every activity, of which one page is enough.
        all_of_them = kit.page([*rows, {"id": 3, "type": "note", "additional": other}], 1, 99)
        overlooked = kit.script(kit.answer(all_of_them))
        assert overlooked.client.activities_by_key("chatwoot_id", ["5", "6"]) is None
        assert overlooked.client.dialect.filters_by_json is False


@pytest.mark.parametrize(("key", "values"), [("a b", ["1"]), ("a.b", ["1"]), ("k", ["1,2"]), ("k", [""])])
def test_keys_and_values_that_cannot_be_looked_for_are_refused(kit, key, values):
    with pytest.raises(ValueError, match=r"must|may"):
        kit.script().client.activities_by_key(key, values)


def test_marking_many_is_one_repeatable_call(kit):
    run = kit.script(httpx.ConnectError("c"), kit.answer({"message": "ok"}))
    run.client.mark_activities([3, 1, 3], False)
    assert json.loads(run.requests[1].content) == {"indices": [1, 3], "value": 0}
    assert len(run.requests) == 2


def test_a_person_with_leads_is_not_deleted(kit):
    run = kit.script(kit.answer(kit.page([{"id": 4, "person": {"id": 1}}])))
    with pytest.raises(Rejected) as caught:
        run.client.delete_person(1)
    assert "leads" in caught.value.fields
    assert [request.method for request in run.requests] == ["GET"]


def test_a_missing_person_counts_as_deleted_before_but_a_failure_does_not(kit):
    nobody = kit.answer(kit.page([]))
    gone = kit.script(nobody, generic(kit), nobody, nobody)
    assert gone.client.delete_person(1) is False
    # What the route itself answers carries the headers of its own limiter, which the refusal of that one lacks.
    for limit, error in ((100, ServerFailed), (60, DeletionsLimited), (None, DeletionsLimited)):
        failure = generic(kit, limit=limit)
        still = kit.script(kit.answer(kit.page([])), failure, kit.answer(kit.page([kit.person(1)])))
        with pytest.raises(error):
            still.client.delete_person(1)
        assert sum(request.method == "DELETE" for request in still.requests) == 1


def test_deletions_say_whether_there_was_anything(kit):
    missing = {"message": "admin::app.common.resource-not-found"}
    run = kit.script(
        kit.answer({"message": "ok"}),
        kit.answer(missing, 404),
        kit.answer(missing, 404),
    )
    assert run.client.delete_lead(1) is True
    assert run.client.delete_lead(1) is False
    assert run.client.delete_activity(1) is False


def test_the_client_needs_neither_airflow_nor_pandas():
    import subprocess
    import sys
    from pathlib import Path

    import krayin

    code = (
        "import sys, krayin.client, krayin.payloads, krayin.records, krayin.catalogue, krayin.routes;"
        "print([name for name in sys.modules if name.partition('.')[0] in ('airflow', 'pandas')])"
    )
    plugins = str(Path(krayin.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": plugins}, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
