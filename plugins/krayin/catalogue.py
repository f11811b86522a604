"""What a Krayin is set up with: pipelines, sources, types, attributes and users."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import AliasChoices, BeforeValidator, Field

from krayin.errors import ConfigurationError
from krayin.json_values import Flag, FromJson, Moment, Number, Text, TextOrNone, members
from krayin.records import Named

if TYPE_CHECKING:
    from krayin.client import KrayinClient

FINAL_STAGE_CODES: Final = frozenset({"won", "lost"})
"""The codes by which Krayin itself knows that a lead is closed."""

KNOWN_ATTRIBUTE_TYPES: Final = frozenset(
    {
        "text",
        "textarea",
        "price",
        "boolean",
        "select",
        "multiselect",
        "checkbox",
        "email",
        "address",
        "phone",
        "lookup",
        "datetime",
        "date",
        "file",
        "image",
    }
)
"""Any other type is accepted by Krayin's API and breaks every later write of that entity type."""


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
class Source(Named):
    """Where a lead came from."""


@dataclass(frozen=True, slots=True)
class Tag(Named):
    """What persons and leads are marked with; the same name in other letters is the same."""


@dataclass(frozen=True, slots=True)
class LeadType(Named):
    """The kind of business a lead is."""


@dataclass(frozen=True, slots=True)
class Option(FromJson):
    """What can be chosen in an attribute; its id is what a record holds."""

    id: int
    name: Text = ""


@dataclass(frozen=True, slots=True)
class Attribute(FromJson):
    """An attribute of an entity type; `is_user_defined` tells the custom ones. Moments are UTC.

    `lookup_type` is the kind of records that one of type lookup takes, as "users".
    """

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
    lookup_type: TextOrNone = None
    options: tuple[Option, ...] = ()


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


class EmailDemand(StrEnum):
    """Whether Krayin demands an e-mail of a person who has a phone."""

    NONE = "none"
    """The attribute is optional."""
    ONCE_GIVEN = "once_given"
    """Required, yet a person may be made without; what is there cannot be emptied (MySQL)."""
    ALWAYS = "always"


@dataclass(frozen=True, slots=True)
class Catalogue(FromJson):
    """One look at the settings of a Krayin; good for an hour.

    Attributes:
        pipelines: with their stages in order.
        sources: lead sources by id.
        types: lead types by id.
        attributes: of all entity types, Krayin's own and custom ones.
        users: everyone who can own records.
        user: the one the token belongs to.
    """

    pipelines: tuple[Pipeline, ...]
    sources: tuple[Source, ...]
    types: tuple[LeadType, ...]
    attributes: tuple[Attribute, ...]
    users: tuple[User, ...]
    user: User

    def default_pipeline(self) -> Pipeline:
        """Return the pipeline marked as default, else the first.

        Raises:
            ConfigurationError: this Krayin has no pipeline.
        """
        if not self.pipelines:
            message = "this Krayin has no pipeline: create one in its settings"
            raise ConfigurationError(message)
        return next((one for one in self.pipelines if one.is_default), self.pipelines[0])

    def pipeline(self, pipeline_id: int) -> Pipeline | None:
        """Return the pipeline with this id, None when there is none."""
        return next((one for one in self.pipelines if one.id == pipeline_id), None)

    def stage(self, stage_id: int) -> Stage | None:
        """Return the stage with this id, of any pipeline, None when there is none."""
        return next((stage for one in self.pipelines for stage in one.stages if stage.id == stage_id), None)

    def pipeline_of_stage(self, stage_id: int) -> Pipeline | None:
        """Return the pipeline this stage belongs to, None when there is none."""
        return next(
            (one for one in self.pipelines if any(stage.id == stage_id for stage in one.stages)), None
        )

    def stage_order(self, pipeline_id: int) -> tuple[int, ...]:
        """Return the ids of the pipeline's stages from first to last, empty for an unknown pipeline."""
        pipeline = self.pipeline(pipeline_id)
        return () if pipeline is None else tuple(stage.id for stage in pipeline.stages)

    def is_final_stage(self, stage_id: int) -> bool:
        """Return whether a lead in this stage is won or lost."""
        stage = self.stage(stage_id)
        return stage is not None and stage.code in FINAL_STAGE_CODES

    def attribute(self, entity_type: str, code: str) -> Attribute | None:
        """Return an attribute of `persons`, `leads` or `organizations` by code, None when there is none."""
        return next(
            (one for one in self.attributes if one.entity_type == entity_type and one.code == code), None
        )

    def custom_attributes(self, entity_type: str) -> tuple[Attribute, ...]:
        """Return the attributes that administrators added to an entity type."""
        return tuple(one for one in self.attributes if one.entity_type == entity_type and one.is_user_defined)

    def boolean_attributes(self, entity_type: str) -> tuple[str, ...]:
        """Return the codes of all booleans of an entity type; a write that omits one sets it to 0."""
        return tuple(
            one.code for one in self.attributes if one.entity_type == entity_type and one.type == "boolean"
        )

    def email_required(self) -> bool:
        """Return whether the attribute is required, as shipped; administrators can change that."""
        emails = self.attribute("persons", "emails")
        return emails is None or emails.is_required

    def email_demand(self, takes_no_email: bool | None) -> EmailDemand:  # noqa: FBT001 - see Dialect
        """Return whether a person must have an e-mail, in a Krayin that is known to take none, or is not."""
        if not self.email_required():
            return EmailDemand.NONE
        return EmailDemand.ONCE_GIVEN if takes_no_email else EmailDemand.ALWAYS

    def breaking_attributes(self) -> tuple[Attribute, ...]:
        """Return the attributes of an unknown type, which make every write of their entity type fail."""
        return tuple(one for one in self.attributes if one.type not in KNOWN_ATTRIBUTE_TYPES)


def load_catalogue(client: KrayinClient) -> Catalogue:
    """Read the catalogue from Krayin in six calls.

    Raises:
        KrayinError: a call failed.
    """
    return Catalogue(
        user=client.whoami(),
        pipelines=tuple(client.pipelines()),
        sources=tuple(client.every(Source)),
        types=tuple(client.every(LeadType)),
        attributes=tuple(client.every(Attribute)),
        users=tuple(client.every(User)),
    )
