"""A call is paced, audited, and repeated only where that cannot do harm."""

from __future__ import annotations

import contextlib
import logging
import traceback

import httpx
import pytest
from krayin.errors import (
    AuthenticationFailed,
    ConfigurationError,
    KrayinError,
    NotFound,
    NotSent,
    OutcomeUnknown,
    RateLimited,
    Rejected,
    ServerFailed,
    Unanswered,
    UnexpectedAnswer,
)
from krayin.payloads import Labelled, LeadUpdate, PersonDraft
from krayin.permits import LimitFeedback

DRAFT = PersonDraft(name="Anna Secret", emails=(Labelled(value="anna@secret.example"),))
CHANGE = LeadUpdate(expected_close_date=None, booleans={}, title="Anna Secret")
LEAD = {"data": {"id": 5, "title": "x", "lead_products": []}}


def html(status: int = 200, **headers: str) -> httpx.Response:
    return httpx.Response(status, html="<!DOCTYPE html><title>500</title>", headers=headers)


def test_a_call_asks_for_json_carries_the_token_and_takes_one_slot(kit):
    run = kit.script(kit.answer(kit.user, remaining=41))
    assert run.client.whoami().id == 3
    (request,) = run.requests
    assert str(request.url) == "https://crm.example.com/api/v1/get"
    assert request.headers["Accept"] == "application/json"
    assert request.headers["Cache-Control"] == "no-cache"
    assert request.headers["Authorization"] == f"Bearer {kit.token}"
    assert run.limiter.settled == [LimitFeedback(limit=60, remaining=41, route="GET get", seconds=0.0)]


@pytest.mark.parametrize(
    ("answer", "seconds", "failed"),
    [
        (httpx.Response(200, json=LEAD), 0.25, False),
        # As a limiter's refusal that has no headers would look: never quick, however quick it is.
        (httpx.Response(500, json={"message": "500 Internal Server Error"}), None, True),
        (httpx.Response(503), None, True),
        (httpx.Response(422, json={"message": "x", "errors": {}}), None, False),
        (html(), None, False),
    ],
)
def test_the_pacer_is_told_how_long_a_good_answer_took_and_what_failed(kit, answer, seconds, failed):
    def slowly(_: httpx.Request) -> httpx.Response:
        run.clock.now += 0.25
        return answer

    # After a bare 500 the token is tried.
    run = kit.script(slowly, kit.answer(kit.user), retries=0)
    with contextlib.suppress(KrayinError):
        run.client.update_lead(5, CHANGE)
    assert run.limiter.settled[0] == LimitFeedback(
        route="PUT leads/attributes/edit/{id}", seconds=seconds, failed=failed
    )


def test_a_body_is_utf8_json_with_its_content_type(kit):
    run = kit.script(kit.answer({"data": kit.person(1)}))
    run.client.create_person(PersonDraft(name="Zoë 😀", emails=(Labelled(value="z@example.com"),)))
    (request,) = run.requests
    assert request.headers["Content-Type"] == "application/json"
    assert "Zoë 😀" in request.content.decode()


def test_the_audit_names_the_route_by_its_template(kit):
    run = kit.script(kit.answer(LEAD), kit.answer({"message": "x"}, 404))
    with run.client.operation(77):
        run.client.update_lead(5, CHANGE)
    with pytest.raises(NotFound):
        run.client.update_lead(6, CHANGE)
    first, second = run.calls
    assert (first.method, first.route, first.status) == ("PUT", "leads/attributes/edit/{id}", 200)
    assert (first.operation_id, first.limit, first.remaining) == ("77", 60, 50)
    assert first.outcome == "answered"
    assert first.at.utcoffset() is not None
    assert (second.operation_id, second.outcome) == (None, "not_found")


@pytest.mark.parametrize("status", [500, 503])
def test_a_repeatable_call_is_made_again_three_times_at_most(kit, status):
    failing = [kit.answer({"message": "Server Error"}, status) for _ in range(4)]
    run = kit.script(*failing)
    with pytest.raises(ServerFailed) as caught:
        run.client.update_lead(5, CHANGE)
    assert caught.value.status == status
    assert len(run.requests) == len(run.limiter.settled) == 4
    for waited, least in zip(run.clock.slept, (2, 4, 8), strict=True):
        assert least <= waited <= least + 1


def test_a_repeatable_call_succeeds_after_passing_trouble(kit):
    run = kit.script(httpx.ReadTimeout("t"), httpx.ConnectError("c"), html(502), kit.answer(kit.user))
    assert run.client.whoami().id == 3
    assert run.limiter.settled[:2] == [None, None]
    assert [call.outcome for call in run.calls] == ["ServerFailed", "NotSent", "server_failed", "answered"]


@pytest.mark.parametrize(
    "step",
    [
        httpx.ReadTimeout("t"),
        httpx.WriteError("reset"),
        httpx.RemoteProtocolError("Server disconnected without sending a response."),
        html(502),
        html(504),
        html(524),
    ],
    ids=repr,
)
def test_a_change_that_krayin_may_still_carry_out_is_not_repeated_at_once(kit, step):
    """Carried out late, it would undo what the repetition and later changes wrote."""
    changed = kit.script(step)
    with pytest.raises(Unanswered):
        changed.client.update_lead(5, CHANGE)
    marked = kit.script(step)
    with pytest.raises(Unanswered):
        marked.client.mark_activities([5], done=True)
    for run in (changed, marked):
        assert len(run.requests) == 1
        assert run.clock.slept == []


def test_the_wait_the_server_asks_for_wins(kit):
    run = kit.script(kit.answer({"message": "x"}, 503, Retry_After="17"), kit.answer(LEAD))
    run.client.update_lead(5, CHANGE)
    assert run.clock.slept == [17.0]


def test_a_very_long_wait_is_left_to_the_caller(kit):
    run = kit.script(kit.answer({"message": "x"}, 503, Retry_After="3600"))
    with pytest.raises(ServerFailed) as caught:
        run.client.update_lead(5, CHANGE)
    assert caught.value.retry_after == 3600
    assert run.clock.slept == []


@pytest.mark.parametrize(
    "step",
    [
        httpx.ReadTimeout("t"),
        httpx.WriteTimeout("t"),
        httpx.ReadError("reset"),
        httpx.WriteError("reset"),
        httpx.RemoteProtocolError("Server disconnected without sending a response."),
        html(),
        html(302, Location="https://crm.example.com"),
        html(500),
        html(502),
        html(504),
        httpx.Response(200, content=b'{"data": {"id": 1', headers={"Content-Type": "application/json"}),
    ],
    ids=repr,
)
def test_a_creating_post_is_never_repeated_when_krayin_may_have_written(kit, step):
    run = kit.script(step)
    with pytest.raises(OutcomeUnknown) as caught:
        run.client.create_person(DRAFT)
    assert len(run.requests) == 1
    assert run.clock.slept == []
    assert "look" in str(caught.value)


@pytest.mark.parametrize("body", [{"data": []}, {"data": {"name": "x"}}, {}, [], {"data": {"id": "abc"}}])
def test_a_good_answer_of_another_shape_leaves_a_creation_unknown(kit, body):
    with pytest.raises(OutcomeUnknown):
        kit.script(kit.answer(body)).client.create_person(DRAFT)
    with pytest.raises(UnexpectedAnswer):
        kit.script(kit.answer(body)).client.update_lead(5, CHANGE)


def test_an_endpoints_500_leaves_a_creation_unknown(kit):
    run = kit.script(kit.answer({"message": "admin::app.common.internal-server-error"}, 500))
    with pytest.raises(OutcomeUnknown):
        run.client.create_person(DRAFT)
    assert len(run.requests) == 1


def test_a_creating_post_is_repeated_when_nothing_was_sent(kit):
    run = kit.script(httpx.ConnectError("c"), httpx.ConnectTimeout("t"), kit.answer({"data": kit.person(1)}))
    assert run.client.create_person(DRAFT).id == 1
    assert run.limiter.settled[:2] == [None, None]


def test_not_sent_says_so_after_three_repetitions(kit):
    run = kit.script(*[httpx.ConnectError("c") for _ in range(4)])
    with pytest.raises(NotSent):
        run.client.create_person(DRAFT)
    assert len(run.requests) == 4


def test_a_429_is_waited_for_by_the_pacer_and_costs_no_attempt(kit):
    refused = [kit.answer({"message": "Too Many"}, 429, remaining=0, Retry_After="59") for _ in range(3)]
    run = kit.script(*refused, kit.answer({"data": kit.person(1)}))
    assert run.client.create_person(DRAFT).id == 1
    refusal = LimitFeedback(60, 0, refused=True, retry_after=59.0, route="POST contacts/persons")
    assert run.limiter.settled[:3] == [refusal] * 3
    assert run.clock.slept == []


def test_a_500_after_the_last_call_of_the_window_is_the_limit(kit):
    run = kit.script(
        kit.answer(kit.user, remaining=0), kit.bare_500(), kit.answer({"data": kit.person(1)}, remaining=59)
    )
    run.client.whoami()
    assert run.client.create_person(DRAFT).id == 1
    assert run.limiter.settled[1] == LimitFeedback(refused=True, route="POST contacts/persons", failed=True)
    assert [call.outcome for call in run.calls] == ["answered", "rate_limited", "answered"]


def test_a_500_is_the_limit_when_the_shared_budget_knows_it_is_near(kit):
    run = kit.script(kit.bare_500(), kit.answer({"data": kit.person(1)}))
    run.limiter.near = True
    assert run.client.create_person(DRAFT).id == 1


def test_the_shared_budget_is_asked_only_when_the_answer_depends_on_it(kit):
    asked = []
    run = kit.script(
        kit.answer(kit.user), kit.answer({"message": "x"}, 422), kit.bare_500(), kit.answer(kit.user)
    )
    run.limiter.near_limit = lambda: asked.append(len(run.requests)) or True
    run.client.whoami()
    with pytest.raises(Rejected):
        run.client.create_person(DRAFT)
    run.client.whoami()
    assert asked == [3]


def test_a_low_remaining_is_forgotten_after_the_window(kit):
    run = kit.script(kit.answer(kit.user, remaining=0), kit.bare_500(), kit.answer(kit.user))
    run.client.whoami()
    run.clock.sleep(62)
    with pytest.raises(OutcomeUnknown):
        run.client.create_person(DRAFT)


def test_endless_refusals_end(kit):
    run = kit.script(*[kit.answer({"message": "x"}, 429, remaining=0, Retry_After="59") for _ in range(5)])
    with pytest.raises(RateLimited) as caught:
        run.client.create_person(DRAFT)
    assert caught.value.retry_after == 59


def test_a_500_to_the_very_first_call_is_a_bad_token(kit):
    run = kit.script(kit.bare_500())
    with pytest.raises(AuthenticationFailed):
        run.client.whoami()
    assert run.clock.slept == []


def test_a_401_is_a_bad_token_at_once(kit):
    run = kit.script(kit.answer(kit.user), kit.answer({"message": "x"}, 401, limit=None))
    run.client.whoami()
    with pytest.raises(AuthenticationFailed):
        run.client.create_person(DRAFT)


def test_a_token_that_worked_is_asked_twice_with_a_window_between(kit):
    run = kit.script(kit.answer(kit.user), *[kit.bare_500() for _ in range(3)])
    run.client.whoami()
    with pytest.raises(AuthenticationFailed) as caught:
        run.client.create_person(DRAFT)
    assert caught.value.route == "contacts/persons"
    assert [str(request.url.path) for request in run.requests[2:]] == ["/api/v1/get"] * 2
    assert sum(run.clock.slept) >= 60
    assert [answer.refused for answer in run.limiter.settled] == [False, False, True, True]


@pytest.mark.parametrize("steps_before", [0, 1])
def test_a_read_goes_on_when_the_token_proves_good(kit, steps_before):
    run = kit.script(
        kit.answer(kit.user),
        kit.bare_500(),
        *[kit.bare_500() for _ in range(steps_before)],
        kit.answer(kit.user),
        kit.answer(LEAD),
    )
    run.client.whoami()
    assert run.client.update_lead(5, CHANGE).id == 5


def test_a_creation_turned_away_by_a_token_never_seen_working_asks_once_more(kit):
    refused = kit.script(kit.bare_500(), kit.bare_500())
    with pytest.raises(AuthenticationFailed):
        refused.client.create_person(DRAFT)
    assert refused.clock.slept == []
    died = kit.script(kit.bare_500(), kit.answer(kit.user))
    with pytest.raises(OutcomeUnknown):
        died.client.create_person(DRAFT)


def test_a_limit_met_while_asking_is_not_taken_for_a_bad_token(kit):
    limited = kit.answer({"message": "Too Many"}, 429, remaining=0)
    run = kit.script(kit.bare_500(), limited)
    with pytest.raises(OutcomeUnknown):
        run.client.create_person(DRAFT)


def test_a_write_that_krayin_dies_on_is_no_matter_of_the_limit(kit):
    """A body above PHP's limit is turned away like this every time."""
    run = kit.script(kit.answer(kit.user), *[kit.bare_500(), kit.answer(kit.user)] * 4)
    run.client.whoami()
    with pytest.raises(ServerFailed):
        run.client.update_lead(5, CHANGE)
    assert sum(request.method == "PUT" for request in run.requests) == 4


def test_a_creation_turned_away_without_a_known_reason_is_unknown(kit):
    """A PHP fatal error inside the endpoint gives the same 500 without limiter headers."""
    run = kit.script(kit.answer(kit.user), kit.bare_500(), kit.answer(kit.user))
    run.client.whoami()
    with pytest.raises(OutcomeUnknown):
        run.client.create_person(DRAFT)
    assert sum(request.method == "POST" for request in run.requests) == 1


@pytest.mark.parametrize("step", [httpx.ConnectError("c"), httpx.ReadTimeout("t"), html(502)], ids=repr)
def test_a_creation_stays_unknown_when_the_token_cannot_be_confirmed(kit, step):
    run = kit.script(kit.answer(kit.user), kit.bare_500(), step)
    run.client.whoami()
    with pytest.raises(OutcomeUnknown):
        run.client.create_person(DRAFT)


def test_a_krayin_without_limiter_is_not_taken_for_one_that_refuses(kit):
    missing = kit.answer({"message": "admin::app.common.resource-not-found"}, 404, limit=None)
    nothing = kit.answer(kit.page([]), limit=None)
    run = kit.script(
        kit.answer(kit.user, limit=None), missing, nothing, kit.bare_500(), kit.answer(kit.user, limit=None)
    )
    run.client.whoami()
    with pytest.raises(NotFound):
        run.client.update_lead(5, CHANGE)
    with pytest.raises(OutcomeUnknown):
        run.client.create_person(DRAFT)


def unlimited(kit, *steps):
    """A Krayin without limiter, whose token has worked."""
    run = kit.script(kit.answer(kit.user, limit=None), *steps)
    run.client.whoami()
    return run


def well(kit):
    return kit.answer(LEAD, limit=None)


def test_where_a_dead_token_is_a_bare_500_one_question_tells_it_from_a_failing_record(kit):
    run = unlimited(kit, kit.bare_500(), kit.bare_500())
    with pytest.raises(AuthenticationFailed) as caught:
        run.client.create_person(DRAFT)
    assert "Put a new one into the connection" in caught.value.reason
    assert [request.url.path.rpartition("/")[2] for request in run.requests] == ["get", "persons", "get"]
    assert run.clock.slept == []


def test_a_dead_token_met_by_a_change_is_told_without_trying_again(kit):
    run = unlimited(kit, kit.bare_500(), kit.bare_500())
    with pytest.raises(AuthenticationFailed):
        run.client.update_lead(5, CHANGE)
    assert run.clock.slept == []


def test_the_question_whose_token_it_is_is_not_asked_twice(kit):
    run = unlimited(kit, kit.bare_500())
    with pytest.raises(AuthenticationFailed):
        run.client.whoami()
    assert len(run.requests) == 2


def test_failing_records_among_good_ones_cost_one_question_a_minute(kit):
    steps = [step for _ in range(20) for step in (kit.bare_500(), well(kit))]
    run = unlimited(kit, steps[0], kit.answer(kit.user, limit=None), *steps[1:])
    for _ in range(20):
        with pytest.raises(OutcomeUnknown):
            run.client.create_person(DRAFT)
        run.client.update_lead(5, CHANGE)
    assert sum(request.url.path.endswith("/get") for request in run.requests) == 2


def test_the_second_failure_in_a_row_is_asked_about_whenever_the_first_was(kit):
    run = unlimited(
        kit,
        kit.bare_500(),
        kit.answer(kit.user, limit=None),
        well(kit),
        kit.bare_500(),
        kit.bare_500(),
        kit.bare_500(),
    )
    with pytest.raises(OutcomeUnknown):
        run.client.create_person(DRAFT)
    run.client.update_lead(5, CHANGE)
    with pytest.raises(OutcomeUnknown):
        run.client.create_person(DRAFT)
    with pytest.raises(AuthenticationFailed):
        run.client.create_person(DRAFT)


def test_all_tries_of_one_call_are_one_suspicion(kit):
    run = unlimited(
        kit, kit.bare_500(), kit.answer(kit.user, limit=None), *[kit.bare_500() for _ in range(3)]
    )
    with pytest.raises(ServerFailed):
        run.client.update_lead(5, CHANGE)
    assert sum(request.url.path.endswith("/get") for request in run.requests) == 2


@pytest.mark.parametrize(
    "body", [{"message": "SQLSTATE", "exception": "QueryException"}, {"message": "x", "trace": []}]
)
def test_a_failure_that_shows_its_reason_is_no_dead_token(kit, body):
    """With APP_DEBUG=true a dead token is a 401."""
    run = unlimited(kit, kit.answer(body, 500, limit=None))
    with pytest.raises(OutcomeUnknown):
        run.client.create_person(DRAFT)
    assert len(run.requests) == 2


@pytest.mark.parametrize("step", [httpx.ConnectError("c"), html(502)], ids=repr)
def test_a_question_without_an_answer_leaves_the_failure_as_it_is(kit, step):
    run = unlimited(kit, kit.bare_500(), step)
    with pytest.raises(OutcomeUnknown):
        run.client.create_person(DRAFT)


def test_a_404_for_a_record_that_is_listed_is_not_believed(kit):
    missing = kit.answer({"message": "Not found"}, 404, limit=None)
    run = unlimited(kit, missing, kit.answer(kit.page([{"id": 5}]), limit=None))
    with pytest.raises(UnexpectedAnswer) as caught:
        run.client.update_lead(5, CHANGE)
    assert "stands before it" in caught.value.reason


def test_deleting_a_person_does_not_make_krayin_one_with_a_limiter(kit):
    run = unlimited(
        kit,
        kit.answer(kit.page([]), limit=None),
        kit.answer({"message": "Person deleted successfully."}, limit=100, remaining=0),
    )
    run.client.delete_person(1)
    assert run.client.dialect.is_limited is False


def test_a_rejection_carries_the_fields(kit):
    body = {"message": "x", "errors": {"person.emails.0.value": ["El valor ya ha sido registrado."]}}
    run = kit.script(kit.answer(body, 422))
    with pytest.raises(Rejected) as caught:
        run.client.create_person(DRAFT)
    assert caught.value.refused_addresses() == ("person.emails.0.value",)


def test_a_missing_route_is_a_matter_of_configuration(kit):
    run = kit.script(kit.answer({"message": "admin::app.common.resource-not-found"}, 404, limit=None))
    with pytest.raises(ConfigurationError):
        run.client.whoami()


def test_the_hourly_limit_of_deleting_persons_does_not_reach_the_budget(kit):
    run = kit.script(
        kit.answer(kit.page([])),
        kit.answer({"message": "Person deleted successfully."}, limit=100, remaining=0),
        kit.answer(kit.page([])),
        kit.answer({"message": "Too Many"}, 429, limit=100, remaining=0, Retry_After="3000"),
    )
    assert run.client.delete_person(1) is True
    with pytest.raises(RateLimited) as caught:
        run.client.delete_person(2)
    assert caught.value.retry_after == 3000
    assert run.limiter.settled[1] == run.limiter.settled[3] == LimitFeedback()


def test_a_broken_budget_or_audit_does_not_lose_an_answer(kit, caplog):
    run = kit.script(kit.answer({"data": kit.person(9)}))

    def broken(*_: object) -> None:
        raise RuntimeError

    run.limiter.settle = broken
    run.client._on_call = broken
    assert run.client.create_person(DRAFT).id == 9
    assert len(caplog.records) == 2


def test_a_budget_that_grants_nothing_sends_nothing(kit):
    run = kit.script()

    def refuse() -> None:
        raise TimeoutError

    run.limiter.acquire = refuse
    with pytest.raises(TimeoutError):
        run.client.create_person(DRAFT)
    assert run.requests == []


def test_the_intent_is_said_before_each_try_of_a_write_and_never_before_a_read(kit):
    said = []
    run = kit.script(
        kit.answer(kit.user),
        httpx.ConnectError("c"),
        kit.answer({"data": kit.person(1)}),
        kit.answer(kit.user),
    )
    with run.client.operation(1, lambda: said.append((run.limiter.granted, len(run.requests)))):
        run.client.whoami()
        run.client.create_person(DRAFT)
    run.client.whoami()
    assert said == [(2, 1), (3, 2)]


def test_an_intent_that_cannot_be_kept_keeps_the_call_from_being_made(kit):
    def refuse() -> None:
        raise RuntimeError

    run = kit.script()
    with run.client.operation(1, refuse), pytest.raises(RuntimeError):
        run.client.create_person(DRAFT)
    assert run.requests == []
    assert run.limiter.settled == [None]


def test_a_killed_call_gives_its_slot_back(kit):
    run = kit.script(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        run.client.create_person(DRAFT)
    assert run.limiter.settled == [None]
    assert [call.outcome for call in run.calls] == ["interrupted"]


@pytest.mark.parametrize("token", ["", "  ", "a b", "tökén", "x\ny"])
def test_a_token_that_cannot_be_one_is_refused_without_being_shown(token):
    from krayin.client import KrayinClient
    from krayin.permits import NoopLimiter

    with pytest.raises(ConfigurationError) as caught:
        KrayinClient("https://crm.example.com/api/v1", token, limiter=NoopLimiter())
    assert not token.strip() or token not in str(caught.value)


def test_blanks_around_a_pasted_token_do_not_matter(kit):
    from krayin.client import KrayinClient
    from krayin.permits import NoopLimiter

    seen = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["Authorization"])
        return kit.answer(kit.user)

    transport = httpx.MockTransport(handle)
    KrayinClient("https://x.example", f" {kit.token}\n", limiter=NoopLimiter(), transport=transport).whoami()
    assert seen == [f"Bearer {kit.token}"]


@pytest.mark.parametrize(
    "step",
    [
        httpx.LocalProtocolError("Illegal header value b'Bearer 7|sEcReTsEcReTsEcReTsEcReTsEcReTsEcReT'"),
        httpx.ReadTimeout("anna@secret.example"),
        httpx.ConnectError("anna@secret.example"),
        httpx.Response(
            422, json={"message": "anna@secret.example", "errors": {"x": ["anna@secret.example"]}}
        ),
        httpx.Response(500, json={"message": "SQLSTATE anna@secret.example", "exception": "E"}),
        httpx.Response(200, json={"data": {"id": "anna@secret.example"}}),
        html(302, Location="https://crm.example.com/login?q=anna@secret.example"),
    ],
    ids=repr,
)
def test_neither_token_nor_values_show_in_errors_logs_audit_or_reprs(kit, step, caplog):
    caplog.set_level(logging.DEBUG)
    run = kit.script(*[step] * 4)
    with pytest.raises(KrayinError) as caught:
        run.client.create_person(DRAFT)
    shown = "".join(traceback.format_exception(caught.value))
    shown += repr(caught.value) + repr(run.client) + repr(run.calls) + caplog.text
    for secret in (kit.token, kit.token.partition("|")[2], "anna@secret", "Anna Secret"):
        assert secret not in shown


def test_addresses_in_urls_are_not_logged(kit, caplog):
    caplog.set_level(logging.INFO)
    run = kit.script(kit.answer({"data": []}))
    run.client.find_persons(["anna@secret.example"], [])
    assert "anna" not in caplog.text


def test_the_connection_is_kept_and_closed(kit):
    run = kit.script(kit.answer({"data": kit.person(9)}))
    with run.client as client:
        assert client.create_person(DRAFT).id == 9
    assert run.client._http.is_closed
