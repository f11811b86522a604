"""What an administrator sets up in Krayin: pipelines, sources, types, attributes, users, workflows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime  # noqa: TC003 - pydantic resolves the annotations at run time
from typing import Any, Self

from krayin.json_values import (
    flag_of,
    integer_of,
    integer_or_none,
    list_of,
    moment_of,
    object_of,
    text_of,
    text_or_none,
)


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
        row = object_of(value, "stage")
        return cls(
            integer_of(row, "id"),
            text_of(row, "code"),
            text_of(row, "name"),
            integer_or_none(row, "sort_order"),
        )


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
        return cls(
            id=integer_of(row, "id"),
            name=text_of(row, "name"),
            is_default=flag_of(row, "is_default"),
            stages=tuple(Stage.from_json(stage) for stage in stages),
        )


@dataclass(frozen=True, slots=True)
class Source:
    """Where a lead came from."""

    id: int
    name: str

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Return the source of one row of an answer."""
        row = object_of(value, "source")
        return cls(integer_of(row, "id"), text_of(row, "name"))


@dataclass(frozen=True, slots=True)
class LeadType:
    """The kind of business a lead is."""

    id: int
    name: str

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Return the lead type of one row of an answer."""
        row = object_of(value, "lead type")
        return cls(integer_of(row, "id"), text_of(row, "name"))


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
        return cls(
            id=integer_of(row, "id"),
            code=text_of(row, "code"),
            name=text_of(row, "name"),
            type=text_of(row, "type"),
            entity_type=text_of(row, "entity_type"),
            is_required=flag_of(row, "is_required"),
            is_unique=flag_of(row, "is_unique"),
            # The column's default is 1; the answer to a creation shows it as null.
            is_user_defined=row.get("is_user_defined") not in (0, "0"),
            validation=text_or_none(row, "validation"),
            created_at=moment_of(row, "created_at"),
        )


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
        return cls(
            id=integer_of(row, "id"),
            name=text_of(row, "name"),
            email=text_of(row, "email"),
            is_active=flag_of(row, "status"),
            view_permission=text_of(row, "view_permission"),
            created_at=moment_of(row, "created_at"),
        )


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
        return cls(
            id=integer_of(row, "id"),
            name=text_of(row, "name"),
            entity_type=text_of(row, "entity_type"),
            event=text_of(row, "event"),
            action_ids=tuple(text_of(object_of(one, "actions"), "id") for one in list_of(actions, "actions")),
        )
