"""What an administrator set up is read as Krayin shows it."""

from __future__ import annotations

from krayin.configuration import Attribute, Pipeline, User, Workflow


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
