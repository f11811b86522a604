"""What an administrator sets up in Krayin: pipelines, sources, types, attributes, users, workflows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import AliasChoices, BeforeValidator, Field

from krayin.json_values import Flag, FromJson, Moment, Number, Text, TextOrNone, members


@dataclass(frozen=True, slots=True)
class Stage(FromJson):
    """A stage of a pipeline; `won` and `lost` are the codes of the final ones.

    `sort_order` is shown from Krayin 2.2 on.
    """

    id: int
    code: Text = ""
    name: Text = ""
    sort_order: Number = None


@dataclass(frozen=True, slots=True)
class Pipeline(FromJson):
    """A pipeline with its stages in Krayin's order."""

    id: int
    name: Text
    is_default: Flag
    stages: tuple[Stage, ...]


@dataclass(frozen=True, slots=True)
class Source(FromJson):
    """Where a lead came from."""

    id: int
    name: Text = ""


@dataclass(frozen=True, slots=True)
class LeadType(FromJson):
    """The kind of business a lead is."""

    id: int
    name: Text = ""


@dataclass(frozen=True, slots=True)
class Attribute(FromJson):
    """An attribute of an entity type; `is_user_defined` tells the custom ones. Moments are UTC."""

    id: int
    code: Text = ""
    name: Text = ""
    type: Text = ""
    entity_type: Text = ""
    is_required: Flag = False
    is_unique: Flag = False
    # The column's default is 1; the answer to a creation shows it as null.
    is_user_defined: Annotated[bool, BeforeValidator(lambda value: value not in (0, "0"))] = True
    validation: TextOrNone = None
    created_at: Moment = None


@dataclass(frozen=True, slots=True)
class User(FromJson):
    """A user of Krayin; only `view_permission` "global" may use the search routes. Moments are UTC."""

    id: int
    name: Text = ""
    email: Text = ""
    is_active: Annotated[Flag, Field(validation_alias=AliasChoices("status", "is_active"))] = False
    view_permission: Text = ""
    created_at: Moment = None


@dataclass(frozen=True, slots=True)
class Workflow(FromJson):
    """An automation that Krayin runs on an event, perhaps for every record a load creates."""

    id: int
    name: Text = ""
    entity_type: Text = ""
    event: Text = ""
    action_ids: Annotated[tuple[Text, ...], Field(validation_alias="actions"), members("id")] = ()
