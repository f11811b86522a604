from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from krayin.catalogue import Option
from reconciliation.errors import SettingsDoNotFitKrayinError
from reconciliation.model.field_source import FilledField
from reconciliation.model.field_values import FieldType
from reconciliation.settings.sync_settings import SyncSettings
from reconciliation.settings.targets import LeadTargets, resolve_targets

from tests.reconciliation.samples import attribute, catalogue


def settings(**given) -> SyncSettings:
    return SyncSettings.model_validate({"name": "sync", "chatwoot": {"account_id": 1}, **given})


def problems(given_catalogue=None, **given) -> tuple[str, ...]:
    with pytest.raises(SettingsDoNotFitKrayinError) as caught:
        resolve_targets(settings(**given), given_catalogue or catalogue())
    assert caught.value.file == "sync"
    return caught.value.problems


def test_what_is_left_out_is_found():
    targets = resolve_targets(settings(), catalogue())
    nothing: dict[str, Any] = {"person": {}, "lead": {}, "organization": {}}
    assert targets == LeadTargets(1, 1, 2, 1, None, nothing)


def test_without_a_web_source_the_first_is_taken_and_without_any_none():
    sources = tuple(one for one in catalogue().sources if "Web" not in one.name)
    assert resolve_targets(settings(), catalogue(sources=sources)).source_id == 1
    bare = resolve_targets(settings(), catalogue(sources=(), types=()))
    assert (bare.source_id, bare.type_id) == (None, None)


@pytest.mark.parametrize(
    ("given", "pipeline", "stage"),
    [
        ({"lead_pipeline_id": 2}, 2, 7),
        ({"lead_pipeline_stage_id": 8}, 2, 8),
        ({"lead_pipeline_stage_id": 3}, 1, 3),
        ({"lead_pipeline_id": 1, "lead_pipeline_stage_id": 2}, 1, 2),
    ],
)
def test_pipeline_and_stage_are_found_from_each_other(given, pipeline, stage):
    targets = resolve_targets(settings(**given), catalogue())
    assert (targets.pipeline_id, targets.stage_id) == (pipeline, stage)


def test_everything_that_was_set_is_taken():
    given = {
        "lead_source_id": 4,
        "lead_type_id": 2,
        "lead_owner": 1,
        "custom_fields": {"person": {"x": "c_day"}},
    }
    targets = resolve_targets(settings(**given), catalogue())
    assert (targets.source_id, targets.type_id, targets.owner_id) == (4, 2, 1)
    assert targets.fields["person"] == {"c_day": FilledField("x", type=FieldType("date"))}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"lead_pipeline_id": 9}, "lead_pipeline_id: 9 does not exist in this Krayin; there is 1 (Default Pipeline), 2 (Partners)"),
        ({"lead_pipeline_id": 1, "lead_pipeline_stage_id": 7}, "lead_pipeline_stage_id: 7 does not exist in pipeline 1; there is 1 (New), 2 ("),
        ({"lead_pipeline_stage_id": 99}, "lead_pipeline_stage_id: 99 does not exist in pipeline 1"),
        ({"lead_source_id": 9}, "lead_source_id: 9 does not exist in this Krayin; there is 1 (Email), 2 (Web), 3 (Web Form)"),
        ({"lead_type_id": 9}, "lead_type_id: 9 does not exist in this Krayin; there is 1 (New Business)"),
        ({"lead_owner": 9}, "lead_owner: 9 does not exist in this Krayin; there is 1 (Example)"),
        ({"owner": {"teams": {4: 9}}}, "owner.teams.4: 9 does not exist in this Krayin; there is 1 (Example)"),
        ({"owner": {"inboxes": {3: 9}}}, "owner.inboxes.3: 9 does not exist in this Krayin; there is 1 (Example)"),
        ({"leads": {"stage": {"by_inbox": {3: 99}}}}, "leads.stage.by_inbox.3: 99 does not exist in this Krayin; there is 1 (New), 2 ("),
        ({"leads": {"stage": {"by_channel": {"web": 99}}}}, "leads.stage.by_channel.web: 99 does not exist in this Krayin; there is 1 (New), 2 ("),
        ({"custom_fields": {"person": {"x": "nope"}}}, "custom_fields.person.x: Krayin has no custom person attribute 'nope'; there is c_area, c_day"),
        ({"custom_fields": {"person": {"x": "name"}}}, "custom_fields.person.x: Krayin has no custom person attribute 'name'"),
        ({"custom_fields": {"person": {"x": "score"}}}, "custom_fields.person.x: Krayin has no custom person attribute 'score'"),
        ({"custom_fields": {"organization": {"x": "c_text"}}}, "Krayin has no custom organization attribute 'c_text'; there is none"),
        ({"custom_fields": {"person": {"x": "photo"}}}, "attribute 'photo' is of type image; can be filled: boolean, checkbox, date, datetime, lookup, multiselect, price, select, text, textarea"),
        ({"fields": {"person": {"c_text": {"attribute": "x", "options": ["a"]}}}}, "fields.person.c_text.options: attribute 'c_text' is of type text, which has no options"),
        ({"stage_progression_enabled": True, "stage_on_first_response": 7}, "stage_on_first_response: 7 does not exist in pipeline 1"),
    ],
)  # fmt: skip
def test_what_krayin_does_not_have_is_named_with_what_there_is(given, said):
    (problem,) = problems(**given)
    assert said in problem


def test_all_problems_are_told_at_once():
    found = problems(
        lead_pipeline_id=9,
        lead_pipeline_stage_id=99,
        lead_source_id=9,
        lead_type_id=9,
        lead_owner=9,
        stage_progression_enabled=True,
        stage_on_conversation_created=1,
        stage_on_conversation_resolved=77,
        custom_fields={"person": {"x": "nope"}, "lead": {"y": "nope"}, "organization": {"z": "nope"}},
    )
    assert [problem.partition(":")[0] for problem in found] == [
        "lead_pipeline_id", "lead_pipeline_stage_id", "lead_source_id", "lead_type_id", "lead_owner",
        "stage_on_conversation_resolved", "custom_fields.person.x", "custom_fields.lead.y",
        "custom_fields.organization.z",
    ]  # fmt: skip
    # The pipeline is in doubt, so the stages may be any of this Krayin's.
    assert "77 does not exist in this Krayin; there is 1 (New)" in found[5]


def test_a_krayin_without_pipelines_or_stages():
    assert "this Krayin has no pipeline" in problems(catalogue(pipelines=()))[0]
    empty = catalogue().pipelines[0].__class__(3, "Empty", True, ())
    (problem,) = problems(catalogue(pipelines=(empty,)))
    assert problem == "lead_pipeline_id: pipeline 3 (Empty) has no stages"


def test_an_attribute_of_the_same_code_elsewhere_does_not_count():
    both = catalogue(attributes=(attribute("level", "image"), attribute("level", "text", "leads")))
    targets = resolve_targets(settings(custom_fields={"lead": {"x": "level"}}), both)
    assert targets.fields == {"person": {}, "lead": {"level": FilledField("x")}, "organization": {}}
    assert "of type image" in problems(both, custom_fields={"person": {"x": "level"}})[0]


def test_choices_go_by_the_names_of_options_and_users():
    options = (Option(3, "Sea Green"), Option(4, "Red"))
    level = replace(attribute("level", "select"), options=options)
    agent = replace(attribute("agent", "lookup"), lookup_type="users")
    shop = replace(attribute("shop", "lookup"), lookup_type="organizations")
    both = catalogue(attributes=(level, agent, shop))
    targets = resolve_targets(settings(custom_fields={"person": {"x": "level", "y": "agent"}}), both)
    assert {code: one.type.choices for code, one in targets.fields["person"].items()} == {
        "level": {"sea green": 3, "red": 4},
        "agent": {"example": 1, "admin@example.com": 1},
    }
    assert "of type lookup of organizations" in problems(both, custom_fields={"person": {"x": "shop"}})[0]
