from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from reconciliation.extract.streams import CONVERSATIONS, MESSAGES
from reconciliation.settings.sync_settings import SyncSettings

from tests.reconciliation.samples import NOON, json_values


def settings(**given) -> SyncSettings:
    return SyncSettings.model_validate({"name": "sync", "chatwoot": {"account_id": 1}, **given})


def refused(**given) -> str:
    with pytest.raises(ValidationError) as caught:
        settings(**given)
    return str(caught.value)


def test_the_defaults_are_careful():
    sync = settings()
    assert (sync.on_crm_edit, sync.on_source_delete, sync.recreate_deleted) == ("keep", "report", False)
    assert (sync.schedule, sync.enabled, sync.skip_blocked) == ("*/10 * * * *", True, True)
    assert (sync.krayin.conn_id, sync.chatwoot.conn_id) == ("krayin_default", "chatwoot_default")
    assert sync.history_start(NOON) is None


@pytest.mark.parametrize("name", ["a", "leads_de-1", "a" * 60])
def test_names_that_can_be_part_of_a_dag_id(name):
    assert settings(name=name).name == name


@pytest.mark.parametrize("name", ["", "A", "1a", "a b", "a.b", "ä", "a\n", "a" * 61, "_a"])
def test_names_that_cannot(name):
    assert "must start with a lower-case letter" in refused(name=name)


@pytest.mark.parametrize("schedule", ["*/10 * * * *", "@hourly", "@daily", "@once", "0 6 * * mon-fri", None])
def test_schedules(schedule):
    assert settings(schedule=schedule).schedule == schedule


@pytest.mark.parametrize(
    "schedule", ["", "often", "* * * *", "* * * * * *", "61 * * * *", "@never", "@", "every 5 minutes or so"]
)
def test_what_is_no_schedule(schedule):
    assert "cron expression of five fields" in refused(schedule=schedule)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("all", "all"),
        ("90 days", timedelta(days=90)),
        ("1 day", timedelta(days=1)),
        (" 2 weeks ", timedelta(days=14)),
        ("6months", timedelta(days=180)),
        ("2 years", timedelta(days=730)),
        ("100 years", timedelta(days=36_500)),
        ("2026-01-31", date(2026, 1, 31)),
        (date(2026, 1, 31), date(2026, 1, 31)),
        (datetime(2026, 1, 31, 23, tzinfo=timezone(timedelta(hours=-5))), date(2026, 2, 1)),
    ],
)
def test_history_in_every_form(written, meant):
    assert settings(history=written).history == meant


@pytest.mark.parametrize(
    "written",
    [
        "",
        "some",
        "-1 days",
        "1.5 years",
        "101 years",
        "99999999999 days",
        "2026-02-30",
        "2026-1-1",
        90,
        True,
        None,
        [],
    ],
)
def test_what_is_no_history(written):
    assert "must be 'all', an age" in refused(history=written)


@given(st.from_regex(r"[0-9]{1,12} ?(day|week|month|year)s?", fullmatch=True))
def test_no_age_is_too_large_to_be_refused_or_reckoned_with(written):
    try:
        sync = settings(history=written)
    except ValidationError:
        return
    start = sync.history_start(NOON)
    assert start is not None
    assert start.tzinfo is UTC
    assert start <= NOON


def test_history_starts():
    assert settings(history="90 days").history_start(NOON) == NOON - timedelta(days=90)
    assert settings(history="2026-01-31").history_start(NOON) == datetime(2026, 1, 31, tzinfo=UTC)


def test_time_zones():
    assert str(settings().zone) == "UTC"
    assert str(settings(timezone="Asia/Kathmandu").zone) == "Asia/Kathmandu"
    for wrong in (
        "Berlin",
        "",
        "CEST",
        "+02:00",
        "Europe",
        "../etc/passwd",
        "/etc/passwd",
        "Europe/Berlin\0",
    ):
        assert "IANA time zone" in refused(timezone=wrong)


def test_templates():
    assert "there are about, attributes" in refused(templates={"lead_title": "{{ nmae }}"})
    assert "can loop over lists only" in refused(
        templates={"message_title": "{% for a in text %}{% endfor %}"}
    )
    good = settings(templates={"lead_title": "{{ name }}", "message_title": "{{ author }}"}).templates
    assert (good.of("lead").keys(), good.of("conversation", "message").keys()) == (
        {"lead_title"},
        {"message_title"},
    )
    read = {"templates": {"lead_title": "{{ attributes.ids }}"}, "webhook": {"api_conn_id": "api"}}
    assert "is brought over" in refused(write_back_attribute="ids", **read)


def test_a_template_of_a_stream_has_it_compared_once_more():
    plain, other = settings(), settings(templates={"message_title": "{{ author }}"})
    assert CONVERSATIONS.settings_hash(other) == CONVERSATIONS.settings_hash(plain)
    assert MESSAGES.settings_hash(other) != MESSAGES.settings_hash(plain)
    assert other.contents_hash() == plain.contents_hash()


def test_regions():
    assert settings(default_phone_region="de").default_phone_region == "DE"
    for wrong in ("Germany", "XX", "", "+49"):
        assert "two-letter country code" in refused(default_phone_region=wrong)


@pytest.mark.parametrize(
    "given",
    [
        {"enabled": "false"},
        {"enabled": 1},
        {"lead_owner": "5"},
        {"lead_owner": 0},
        {"lead_owner": -1},
        {"lead_owner": 5.0},
        {"lead_owner": True},
        {"name": 5},
        {"chatwoot": {"account_id": 1, "inboxes": []}},
        {"chatwoot": {"account_id": 1, "inboxes": [0]}},
        {"chatwoot": {"account_id": 1, "inboxes": 5}},
        {"chatwoot": {"account_id": 1, "inboxes": "1"}},
        {"chatwoot": {"account_id": 1, "source": "ftp"}},
        {"chatwoot": {}},
        {"krayin": {"requests_per_minute": 0}},
        {"krayin": {"requests_per_minute": "fast"}},
        {"krayin": {"max_requests_per_minute": 0}},
        {"krayin": {"conn_id": ""}},
        {"krayin": {"token": "x"}},
        {"max_changes_without_approval": {"share": 0}},
        {"max_changes_without_approval": {"share": 1.5}},
        {"max_changes_without_approval": {"share": float("nan")}},
        {"custom_fields": {"person": {"a": 5}}},
        {"custom_fields": {"contact": {"a": "b"}}},
        {"unknown": 1},
    ],
)
def test_nothing_is_bent_into_shape(given):
    assert refused(**given)


def test_stages_need_the_switch():
    said = refused(stage_on_first_response=3, stage_on_conversation_resolved=4)
    assert (
        "stage_on_first_response, stage_on_conversation_resolved set, but stage_progression_enabled" in said
    )
    assert settings(stage_progression_enabled=True, stage_on_first_response=3).stage_on_first_response == 3


def test_two_attributes_cannot_fill_one_field():
    said = refused(custom_fields={"lead": {"a": "score", "b": "score"}})
    assert "lead: a and b both fill 'score'" in said
    both = settings(custom_fields={"lead": {"a": "score"}, "person": {"a": "score", "b": "other"}})
    assert both.custom_fields.person == {"a": "score", "b": "other"}


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (
            {"person": {"x": {"attribute": "a", "template": "b"}}},
            "attribute and template both say what fills it",
        ),
        (
            {"person": {"x": {"policy": "newest"}}},
            "person.x: must say what fills it: attribute, field or template",
        ),
        ({"person": {"x": {"template": "{{ secret }}"}}}, "knows no 'secret'"),
        ({"person": {"x": {"field": "blocked"}}}, "Input should be 'id', 'name', 'email'"),
        ({"person": {"x": {"attribute": "a", "policy": "mine"}}}, "Input should be 'chatwoot', 'krayin'"),
        ({"person": {"emails": "a"}}, "person.emails: has a rule of its own"),
        ({"lead": {"user_id": "a"}}, "lead.user_id: has a rule of its own"),
        (
            {"lead": {"title": "a"}},
            "lead.title: its text is that of `templates.lead_title`: set a policy only",
        ),
        (
            {"organization": {"x": {"attribute": "a", "policy": "newest"}}},
            "organization.x: Krayin does not note who edited an organization when",
        ),
    ],
)
def test_what_cannot_fill_a_field_is_refused_with_the_reason(fields, said):
    assert said in refused(fields=fields)


def test_a_field_is_filled_by_one_rule_and_the_earlier_form_is_one():
    both = settings(
        fields={"lead": {"score": "a", "title": {"policy": "newest"}}}, custom_fields={"person": {"b": "vip"}}
    )
    assert both.filled["lead"]["score"] == both.fields.lead["score"]
    assert both.filled["person"]["vip"].attribute == "b"
    assert both.policies("lead") == {"title": "newest"}
    said = refused(fields={"lead": {"score": "a"}}, custom_fields={"lead": {"b": "score"}})
    assert "custom_fields.lead.b: fields.lead.score fills it already" in said


def test_settings_cannot_be_changed():
    with pytest.raises(ValidationError):
        settings().name = "other"


# --- when everything must be compared anew ----------------------------------------------------------


@pytest.mark.parametrize(
    "given",
    [
        {"timezone": "Europe/Berlin"},
        {"templates": {"lead_title": "{{ name }}"}},
        {"phone_only_contacts": "skip"},
        {"custom_fields": {"person": {"a": "b"}}},
        {"fields": {"person": {"b": "a"}}},
        {"sync_to_organization": True},
        {"default_phone_region": "DE"},
        {"skip_blocked": False},
        {"history": "90 days"},
        {"history": "2026-01-31"},
        {"recreate_deleted": True},
        {"chatwoot": {"account_id": 1, "inboxes": [1]}},
    ],
)
def test_the_hash_tells_what_decides_about_contacts(given):
    assert settings(**given).contents_hash() != settings().contents_hash()
    assert settings(**given).contents_hash() == settings(**given).contents_hash()


@pytest.mark.parametrize(
    "given",
    [
        {"name": "other"},
        {"schedule": None},
        {"on_crm_edit": "overwrite"},
        {"krayin": {"requests_per_minute": 5}},
    ],
)
def test_the_hash_leaves_out_what_does_not(given):
    assert settings(**given).contents_hash() == settings().contents_hash()


def test_an_upgrade_gives_nobody_another_hash():
    """With another one all contacts of every sync would be compared once more."""
    assert settings().contents_hash().hex() == "61e6857e0b1f5dd8ba77e38b6ae90913"


def test_the_order_of_inboxes_and_fields_does_not_matter():
    one, other = (
        settings(
            chatwoot={"account_id": 1, "inboxes": inboxes}, custom_fields={"person": dict(fields)}
        ).contents_hash()
        for inboxes, fields in (
            ([3, 1, 1], [("a", "b"), ("c", "d")]),
            ([1, 3], [("c", "d"), ("a", "b")]),
        )
    )
    assert one == other


@given(st.dictionaries(st.sampled_from(sorted(SyncSettings.model_fields)), json_values))
def test_only_a_validation_error_comes_of_nonsense(given):
    try:
        settings(**given)
    except ValidationError:
        return
