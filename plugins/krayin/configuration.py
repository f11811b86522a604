"""What an administrator sets up in Krayin: pipelines, sources, types, attributes, users, workflows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime  # noqa: TC003 - pydantic resolves the annotations at run time
from typing import Any, Self

from krayin.json_values import flag_of, list_of, object_of, text_of, values_of


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage of a pipeline; `won` and `lost` are the codes of the final ones.

    `sort_order` is shown from Krayin 2.2 on.
    """

    id: int
    code: str
    name: str
    sort_order: int | None = None

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Return the stage of one row of an answer."""
        return cls(**values_of(cls, object_of(value, "stage")))


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A pipeline with its stages in Krayin's order."""

    id: int
    name: str
    is_default: bool
    stages: tuple[Stage, ...]

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Return the pipeline of one row of an answer."""
        row = object_of(value, "pipeline")
        stages = list_of(row.get("stages"), "stages")
        return cls(**values_of(cls, row, stages=tuple(Stage.from_json(stage) for stage in stages)))


@dataclass(frozen=True, slots=True)
class Source:
    """Where a lead came from."""

    id: int
    name: str

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Return the source of one row of an answer."""
        return cls(**values_of(cls, object_of(value, "source")))


@dataclass(frozen=True, slots=True)
class LeadType:
    """The kind of business a lead is."""

    id: int
    name: str

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Return the lead type of one row of an answer."""
        return cls(**values_of(cls, object_of(value, "lead type")))


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute of an entity type; `is_user_defined` tells the custom ones. Moments are UTC."""

    id: int
    code: str
    name: str
    type: str
    entity_type: str
    is_required: bool
    is_unique: bool
    is_user_defined: bool
    validation: str | None
    created_at: datetime | None = None

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Return the attribute of one row of an answer."""
        row = object_of(value, "attribute")
        # The column's default is 1; the answer to a creation shows it as null.
        is_user_defined = row.get("is_user_defined") not in (0, "0")
        return cls(**values_of(cls, row, is_user_defined=is_user_defined))


@dataclass(frozen=True, slots=True)
class User:
    """A user of Krayin; only `view_permission` "global" may use the search routes. Moments are UTC."""

    id: int
    name: str
    email: str
    is_active: bool
    view_permission: str
    created_at: datetime | None = None

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Return the user of one row of an answer."""
        row = object_of(value, "user")
        return cls(**values_of(cls, row, is_active=flag_of(row, "status")))


@dataclass(frozen=True, slots=True)
class Workflow:
    """An automation that Krayin runs on an event, perhaps for every record a load creates."""

    id: int
    name: str
    entity_type: str
    event: str
    action_ids: tuple[str, ...]

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Return the workflow of one row of an answer."""
        row = object_of(value, "workflow")
        actions = row.get("actions") or []
        ids = tuple(text_of(object_of(one, "actions"), "id") for one in list_of(actions, "actions"))
        return cls(**values_of(cls, row, action_ids=ids))
