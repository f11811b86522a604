"""The catalogue answers what the mapping asks, and survives a table of the database."""

from __future__ import annotations

import json

import pytest
from krayin.catalogue import (
    Attribute,
    Catalogue,
    LeadType,
    Pipeline,
    Source,
    Stage,
    User,
    Workflow,
    load_catalogue,
)
from krayin.errors import ConfigurationError

SYNC = User(3, "Sync", "sync@example.com", is_active=True, view_permission="global")


def attribute(
    code: str, kind: str = "text", entity: str = "leads", *, custom: bool = True, required: bool = False
):
    return Attribute(
        1, code, code, kind, entity, required, is_unique=False, is_user_defined=custom, validation=None
    )


def catalogue(**changes: object) -> Catalogue:
    values = {
        "pipelines": (
            Pipeline(2, "Second", is_default=False, stages=(Stage(9, "new", "New"), Stage(7, "won", "Won"))),
            Pipeline(
                1, "Default", is_default=True, stages=(Stage(1, "new", "New"), Stage(6, "lost", "Lost"))
            ),
        ),
        "sources": (Source(1, "Email"), Source(2, "Web")),
        "types": (LeadType(1, "New Business"),),
        "attributes": (
            attribute("emails", "email", "persons", custom=False, required=True),
            attribute("vip", "boolean", "persons"),
            attribute("hot", "boolean"),
            attribute("chatwoot_id"),
            attribute("title", custom=False),
        ),
        "users": (SYNC,),
        "user": SYNC,
    }
    return Catalogue(**{**values, **changes})


def test_it_survives_json():
    whole = catalogue()
    assert Catalogue.from_json(json.loads(json.dumps(whole.to_json()))) == whole


@pytest.mark.parametrize("value", [{}, {"pipelines": []}, {"pipelines": 5}])
def test_another_versions_json_is_refused(value):
    with pytest.raises(ValueError, match="Catalogue"):
        Catalogue.from_json(value)


def test_pipelines_and_stages():
    whole = catalogue()
    assert whole.default_pipeline().id == 1
    assert catalogue(pipelines=whole.pipelines[:1]).default_pipeline().id == 2
    assert whole.stage_order(2) == (9, 7)
    assert whole.stage_order(5) == ()
    assert whole.stage(6) == Stage(6, "lost", "Lost")
    assert whole.stage(5) is None
    pipeline = whole.pipeline_of_stage(7)
    assert pipeline is not None
    assert pipeline.id == 2
    assert [stage for stage in (1, 5, 6, 7, 9) if whole.is_final_stage(stage)] == [6, 7]


def test_a_krayin_without_pipelines_is_told():
    with pytest.raises(ConfigurationError, match="pipeline"):
        catalogue(pipelines=()).default_pipeline()


def test_attributes():
    whole = catalogue()
    assert whole.boolean_attributes("persons") == ("vip",)
    assert whole.boolean_attributes("leads") == ("hot",)
    assert [one.code for one in whole.custom_attributes("leads")] == ["hot", "chatwoot_id"]
    assert whole.attribute("leads", "vip") is None
    assert whole.attribute("persons", "vip") is not None
    assert whole.breaking_attributes() == ()
    assert [one.code for one in catalogue(attributes=(attribute("n", "integer"),)).breaking_attributes()] == [
        "n"
    ]


def test_emails_are_required_until_an_administrator_says_otherwise():
    assert catalogue().email_required() is True
    assert catalogue(attributes=()).email_required() is True
    optional = attribute("emails", "email", "persons", custom=False, required=False)
    assert catalogue(attributes=(optional,)).email_required() is False


def test_loading_takes_six_calls(kit):
    user = kit.user["data"]
    pipeline = {"id": 1, "name": "P", "is_default": 1, "stages": [{"id": 1, "code": "new", "name": "New"}]}
    emails = {"id": 29, "code": "emails", "type": "email", "entity_type": "persons", "is_required": 1}
    run = kit.script(
        kit.answer(kit.user),
        kit.answer(kit.page([pipeline])),
        kit.answer(kit.page([{"id": 1, "name": "Email"}])),
        kit.answer(kit.page([{"id": 1, "name": "New"}])),
        kit.answer(kit.page([emails])),
        kit.answer(kit.page([user])),
    )
    whole = load_catalogue(run.client)
    assert len(run.requests) == 6
    assert (whole.user.id, whole.stage_order(1), whole.email_required()) == (3, (1,), True)


def test_settings_are_read():
    pipeline = Pipeline.from_json(
        {
            "id": 1,
            "name": "P",
            "is_default": 1,
            "stages": [{"id": 9, "code": "won", "name": "Won"}, {"id": 2}],
        }
    )
    assert [stage.id for stage in pipeline.stages] == [9, 2]
    attribute = Attribute.from_json(
        {"id": 1, "code": "vip", "name": "V", "type": "boolean", "entity_type": "leads", "is_user_defined": 1}
    )
    assert (attribute.is_user_defined, attribute.is_required, attribute.validation) == (True, False, None)
    user = User.from_json({"id": 1, "name": "A", "email": "a@b", "status": 0, "view_permission": "group"})
    assert (user.is_active, user.view_permission) == (False, "group")
    workflow = Workflow.from_json(
        {
            "id": 1,
            "name": "Mail",
            "entity_type": "leads",
            "event": "lead.create.after",
            "actions": [{"id": "send_email_to_person", "value": "1"}],
        }
    )
    assert workflow.action_ids == ("send_email_to_person",)
