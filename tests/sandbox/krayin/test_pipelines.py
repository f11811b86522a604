"""Pipelines beyond the recorded calls."""

from __future__ import annotations

import pytest

PIPELINES = "/api/v1/settings/pipelines"


def body(**fields):
    return {"name": "Second", "rotten_days": 5, "stages": [{"code": "new", "name": "New"}], **fields}


def test_stages_of_one_name_or_code_are_refused_with_untranslated_keys(api):
    twice = [{"code": "a", "name": "A"}, {"code": "a", "name": "A"}]
    refused = api.post(PIPELINES, json=body(stages=twice))
    name, code = "admin::app.settings.pipelines.duplicate-name", "validation.unique_key"
    assert refused.json()["errors"] == {
        "stages.0.name": [name],
        "stages.1.name": [name],
        "stages.0.code": [code],
        "stages.1.code": [code],
    }


def test_a_stage_without_a_code_beside_others_is_an_error(api):
    stages = [{"code": "a", "name": "A"}, {"name": "B"}]
    assert api.post(PIPELINES, json=body(stages=stages)).status_code == 500


@pytest.mark.parametrize("value", [1, 0, False, None])
def test_the_default_moves_to_a_pipeline_that_says_anything_about_it(api, value):
    made = api.post(PIPELINES, json=body(is_default=value)).json()["data"]
    assert made["is_default"] == 1
    assert api.get(f"{PIPELINES}/1").json()["data"]["is_default"] == 0


def test_a_pipeline_that_says_nothing_is_no_default(api):
    assert api.post(PIPELINES, json=body()).json()["data"]["is_default"] == 0
    assert api.get(f"{PIPELINES}/1").json()["data"]["is_default"] == 1
