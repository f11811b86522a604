"""A Krayin whose lists do not show what they were asked for: nothing there is taken for deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest
from krayin.errors import FilterIgnored
from reconciliation.errors import RunStoppedError

from tests.reconciliation.world import on_each_krayin
from tests.worlds.scenario import Rewriting

if TYPE_CHECKING:
    from tests.reconciliation.world import World


def is_by_id(request: httpx.Request) -> bool:
    return request.method == "GET" and "id" in request.url.params


def finding_nothing(request: httpx.Request, answer: httpx.Response) -> httpx.Response | None:
    """What a server answers that reads another database than the one it writes."""
    if not is_by_id(request):
        return None
    body = answer.json()
    return httpx.Response(200, json={**body, "data": [], "meta": {**body["meta"], "total": 0}})


def without_query(request: httpx.Request, _: httpx.Response) -> httpx.Response | None:
    """What a cache answers that keeps a page whatever it was asked."""
    if not is_by_id(request):
        return None
    plain = httpx.Request("GET", request.url.copy_with(query=None), headers=request.headers)
    answer = httpx.HTTPTransport().handle_request(plain)
    answer.read()
    return httpx.Response(200, content=answer.content, headers={"content-type": "application/json"})


@pytest.mark.parametrize("recreating", [False, True])
@pytest.mark.parametrize("answered", [finding_nothing, without_query])
@on_each_krayin
def test_a_record_that_is_not_found_by_its_id_is_not_taken_for_deleted(
    world: World, answered: Any, recreating: bool
) -> None:
    before_krayin = Rewriting()
    world.access_options = {"options": {"transport": before_krayin, "sleep": lambda _: None}}
    world.settings = {"recreate_deleted": recreating}
    for number in range(1, 13):
        world.add(name=f"Ada {number}", email=f"ada{number}@example.com")
    world.run()
    world.change(1, name="Ada One")

    before_krayin.rewrite = answered
    with pytest.raises((FilterIgnored, RunStoppedError), match="cache, proxy or firewall"):
        world.run()
    assert world.rows("SELECT DISTINCT state FROM mapping WHERE crm_kind <> 'organization'") == [("linked",)]

    before_krayin.rewrite = None
    world.run()
    names = [row["name"] for row in world.persons()]
    assert len(names) == len(world.leads()) == 12
    assert names[0] == "Ada One"


@on_each_krayin
def test_boxes_and_dates_that_are_not_shown_are_not_taken_for_blank(world: World) -> None:
    """A firewall that takes the brackets out of a query: of several records Krayin then shows none."""
    before_krayin = Rewriting()
    world.access_options = {"options": {"transport": before_krayin, "sleep": lambda _: None}}
    kinds = ("persons", "leads")
    world.krayin.seed(
        attributes=[{"code": "hot", "name": "Hot", "type": "boolean", "entity_type": kind} for kind in kinds]
    )
    world.add(name="Ada", email="ada@example.com")
    world.run()
    person = {"name": "Ada", "emails": [{"value": "ada@example.com", "label": "work"}], "user_id": 1}
    phones = [{"value": "", "label": "work"}]
    world.api("PUT", "contacts/persons/1", {**person, "contact_numbers": phones, "hot": True})
    world.api("PUT", "leads/attributes/edit/1", {"hot": True, "expected_close_date": "2099-01-31"})
    world.change(1, name="Ada Lovelace")

    def without_brackets(request: httpx.Request, _: httpx.Response) -> httpx.Response | None:
        return httpx.Response(200, json=[]) if "query[]" in request.url.params else None

    before_krayin.rewrite = without_brackets
    with pytest.raises((FilterIgnored, RunStoppedError), match="cache, proxy or firewall"):
        world.run()
    before_krayin.rewrite = None
    world.run()
    assert (world.persons()[0]["name"], world.leads()[0]["title"]) == ("Ada Lovelace", "Ada Lovelace")
    assert [world.stored(kind, 1)["hot"] for kind in kinds] == [1, 1]
    assert world.stored("leads", 1)["expected_close_date"] == "2099-01-31"
