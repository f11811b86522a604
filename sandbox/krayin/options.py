"""The small tables under /settings: sources, types, tags, roles, groups, workflows and pipelines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.krayin import leads, listing, massive, php, records, resources, search, validation
from sandbox.krayin.answers import wrapped
from sandbox.krayin.errors import ServerError
from sandbox.krayin.records import GROUP, PIPELINE, ROLE, SOURCE, STAGE, TAG, TYPE, WORKFLOW, Entity, Record
from sandbox.krayin.validation import Rules, Unique

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.krayin.requests import Call
    from sandbox.krayin.server import Krayin
    from sandbox.krayin.tables import Row


def free_name(krayin: Krayin, table: str, column: str, own: Any) -> Unique:
    """Return the rule ``unique:table,column,own``."""
    source = krayin.database[table]
    key = None if own is None else records.row_key(own)

    def is_free(value: Any) -> bool:
        wanted = source.columns[column].matches(php.text_of(value))
        return all(row["id"] == key or source.columns[column].key(row[column]) != wanted for row in source)

    return Unique(is_free, f"The {validation.shown(column)} has already been taken.")


@dataclass(frozen=True, slots=True)
class Resource:
    """The endpoints of one small table.

    Attributes:
        noun: what messages call a record, as "Source".
        show_row: makes the JSON of a row.
        rules: takes the server and the id of the record being changed (None when created).
        typed: whether changing one takes nothing but a whole number for its id.
    """

    entity: Entity
    noun: str
    show_row: Callable[[Krayin, Row], dict[str, Any]]
    rules: Callable[[Krayin, Any], Rules]
    typed: bool = False

    def index(self, krayin: Krayin, call: Call) -> Any:
        """List records."""
        return listing.listed(krayin, call, self.entity.table, lambda row: self.show_row(krayin, row))

    def show(self, krayin: Krayin, call: Call) -> Any:
        """Show a record."""
        record = massive.shown_record(krayin, call, self.entity)
        return {"data": self.show_row(krayin, record.attributes)}

    def find(self, krayin: Krayin, call: Call) -> Any:
        """Search records."""
        rows = search.searched(krayin, call, self.entity.table)
        return {"data": [self.show_row(krayin, row) for row in rows]}

    def values(self, call: Call) -> dict[str, Any]:
        """Return what a request writes."""
        return call.all

    def store(self, krayin: Krayin, call: Call) -> Any:
        """Create a record."""
        validation.validate(krayin.clock, call.all, self.rules(krayin, None))
        owner = {"user_id": call.user_id} if "user_id" in self.entity.fillable else {}
        record = records.create(krayin, self.entity, {**owner, **self.values(call)})
        return {
            "data": self.show_row(krayin, record.attributes),
            "message": f"{self.noun} created successfully.",
        }

    def update(self, krayin: Krayin, call: Call) -> Any:
        """Change a record."""
        key = massive.typed_id(call) if self.typed else call.params["id"]
        validation.validate(krayin.clock, call.all, self.rules(krayin, key))
        record = records.find_or_fail(krayin, self.entity, key)
        records.update(krayin, record, self.values(call))
        return {
            "data": self.show_row(krayin, record.attributes),
            "message": f"{self.noun} updated successfully.",
        }

    def destroy(self, krayin: Krayin, call: Call) -> Any:
        """Delete a record; refusals of the database are answered 200 with another message.

        Raises:
            ServerError: there is no such record.
        """
        record = records.find(krayin, self.entity, call.params["id"])
        if record is None:
            raise massive.cloned_nothing()
        try:
            krayin.database[self.entity.table].delete(record.id)
        except ServerError:
            return wrapped(f"{self.noun} delete failed.")
        return wrapped(f"{self.noun} deleted successfully.")

    def mass_destroy(self, krayin: Krayin, call: Call) -> Any:
        """Delete records by id, skipping missing ones."""
        for record in massive.present(krayin, call, self.entity):
            krayin.database[self.entity.table].delete(record.id)
        return wrapped(f"{self.noun} deleted successfully.")


def _name_only(table: str) -> Callable[[Krayin, Any], Rules]:
    return lambda krayin, own: {"name": ["required", free_name(krayin, table, "name", own)]}


class TagResource(Resource):
    """Tags, which can be deleted once more when they are gone."""

    def destroy(self, krayin: Krayin, call: Call) -> Any:
        """Delete a tag, if it is there."""
        if records.find(krayin, TAG, call.params["id"]) is None:
            return wrapped("Tag deleted successfully.")
        return super().destroy(krayin, call)


class RoleResource(Resource):
    """Roles; deleting one deletes its users, for Krayin looks for them under a wrong name."""

    def values(self, call: Call) -> dict[str, Any]:
        """Return what a request writes: a role of its own has at least an empty list of permissions."""
        data = call.all
        if data["permission_type"] == "custom" and data.get("permissions") is None:
            data["permissions"] = []
        return data

    def destroy(self, krayin: Krayin, call: Call) -> Any:
        """Delete a role, but neither the last one nor one's own."""
        record = records.find_or_fail(krayin, ROLE, massive.typed_id(call))
        assert call.user is not None
        table = krayin.database["roles"]
        if len(table.rows) == 1:
            return wrapped(f"{KEPT_ROLE}.last-delete-error")
        if call.user["role_id"] == record.id:
            return wrapped(f"{KEPT_ROLE}.current-role-delete-error")
        table.delete(record.id)
        return wrapped("Role deleted successfully.")


def _role_rules(krayin: Krayin, own: Any) -> Rules:
    unique = [free_name(krayin, "roles", "name", None)] if own is None else []
    return {"name": ["required", *unique], "permission_type": ["required"]}


# What is said of a role that stays: a key that the API of Krayin 2.1.5 does not translate.
KEPT_ROLE = "rest-api::app.settings.roles"

SOURCES = Resource(SOURCE, "Source", resources.named, _name_only("lead_sources"), typed=True)
TYPES = Resource(TYPE, "Type", resources.named, _name_only("lead_types"), typed=True)
TAGS = TagResource(TAG, "Tag", resources.tag, _name_only("tags"))
GROUPS = Resource(GROUP, "Group", resources.group, _name_only("groups"))
ROLES = RoleResource(ROLE, "Role", resources.role, _role_rules, typed=True)
WORKFLOWS = Resource(
    WORKFLOW,
    "Workflow",
    resources.workflow,
    lambda _krayin, _own: {"name": ["required"]},
)


# What is said of stages with the same name or code: keys that Krayin 2.1.5 does not translate.
DUPLICATES = {"name": "admin::app.settings.pipelines.duplicate-name", "code": "validation.unique_key"}


class PipelineResource(Resource):
    """Pipelines, written together with their stages.

    One that sends ``is_default`` becomes the default, whatever the value.
    """

    def store(self, krayin: Krayin, call: Call) -> Any:
        """Create a pipeline; a failing stage leaves the pipeline behind."""
        data = call.all
        _check_pipeline(krayin, data, None)
        data["is_default"] = int("is_default" in data)
        _only_default(krayin, data, None)
        record = records.create(krayin, PIPELINE, data)
        if "stages" not in data:
            message = 'Undefined array key "stages"'
            raise ServerError(message)
        for _, stage in php.items_of(data["stages"]):
            records.create(krayin, STAGE, {"lead_pipeline_id": record.id, **dict(php.items_of(stage))})
        return {
            "data": self.show_row(krayin, record.attributes),
            "message": "Pipeline created successfully.",
        }

    def update(self, krayin: Krayin, call: Call) -> Any:
        """Change a pipeline: stages under ``stage_…`` are added, listed ids kept, the rest deleted."""
        data = call.all
        key = massive.typed_id(call)
        _check_pipeline(krayin, data, key)
        data["is_default"] = int("is_default" in data)
        record = records.find_or_fail(krayin, PIPELINE, key)
        _only_default(krayin, data, key)
        records.update(krayin, record, data)
        if "stages" not in data:
            message = 'Undefined array key "stages"'
            raise ServerError(message)
        _replace_stages(krayin, record.id, data["stages"])
        return {
            "data": self.show_row(krayin, record.attributes),
            "message": "Pipeline updated successfully.",
        }

    def destroy(self, krayin: Krayin, call: Call) -> Any:
        """Delete a pipeline; its leads move to the default pipeline's first stage."""
        record = records.find_or_fail(krayin, PIPELINE, massive.typed_id(call))
        if record.attributes["is_default"]:
            return wrapped("Default pipeline can not be deleted.")
        default = leads.default_pipeline(krayin)
        first = resources.stages_of(krayin, default["id"])[0]
        table = krayin.database["leads"]
        for row in [row for row in table if row["lead_pipeline_id"] == record.id]:
            table.update(
                row["id"], {"lead_pipeline_id": default["id"], "lead_pipeline_stage_id": first["id"]}
            )
        krayin.database["lead_pipelines"].delete(record.id)
        return wrapped("Pipeline deleted successfully.")


def _check_pipeline(krayin: Krayin, data: dict[str, Any], own: Any) -> None:
    rules: Rules = {"name": ["required", free_name(krayin, "lead_pipelines", "name", own)]}
    if own is None:
        rules["rotten_days"] = ["required"]
    stages = [stage for _, stage in php.items_of(data.get("stages") or [])]
    for part, message in DUPLICATES.items():
        rules[f"stages.*.{part}"] = [Unique(_only_once(stages, part), message)]
    validation.validate(krayin.clock, data, rules)


def _only_once(stages: list[Any], part: str) -> Callable[[Any], bool]:
    def once(value: Any) -> bool:
        found = [php.offset(stage, part) for stage in stages]
        return [other for other in found if type(other) is type(value)].count(value) <= 1

    return once


def _only_default(krayin: Krayin, data: dict[str, Any], own: Any) -> None:
    if data["is_default"]:
        table = krayin.database["lead_pipelines"]
        for row in list(table):
            if row["id"] != own:
                table.update(row["id"], {"is_default": 0})


def _replace_stages(krayin: Krayin, pipeline_id: int, stages: Any) -> None:
    table = krayin.database["lead_pipeline_stages"]
    leftover = [row["id"] for row in resources.stages_of(krayin, pipeline_id)]
    for key, inputs in php.items_of(stages):
        values = dict(php.items_of(inputs))
        if "stage_" in key:
            records.create(krayin, STAGE, {"lead_pipeline_id": pipeline_id, **values})
            continue
        record = records.find_or_fail(krayin, STAGE, key)
        if record.id in leftover:
            leftover.remove(record.id)
        records.update(krayin, record, values)
    for number in leftover:
        first = next((row for row in resources.stages_of(krayin, pipeline_id)), None)
        for lead in krayin.database["leads"].found("stage", (pipeline_id, number)):
            krayin.database["leads"].update(
                lead["id"], {"lead_pipeline_stage_id": first["id"] if first else None}
            )
        table.delete(number)


PIPELINES = PipelineResource(
    PIPELINE, "Pipeline", resources.pipeline, lambda _krayin, _own: {"name": ["required"]}
)


def shown_user(krayin: Krayin, record: Record) -> dict[str, Any]:
    """Return the JSON of a user that was just written."""
    return resources.user(krayin, record.attributes)
