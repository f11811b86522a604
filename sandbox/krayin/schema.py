"""The tables of Krayin 2.1.5 that its REST API touches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.krayin import php
from sandbox.krayin.collation import fold
from sandbox.krayin.columns import Column
from sandbox.krayin.tables import ForeignKey, Row, Shape

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable

ID = Column("id", "uint", nullable=False)
TIMES = (Column("created_at", "datetime"), Column("updated_at", "datetime"))


def _by(*names: str) -> Callable[[Row], Iterable[Hashable]]:
    if len(names) == 1:
        name = names[0]
        return lambda row: () if row[name] is None else (row[name],)
    return lambda row: (tuple(row[name] for name in names),)


def element_keys(attribute_id: int, elements: Any) -> list[tuple[int, str]]:
    """Return the keys under which an e-mail or phone list is found: attribute and value, byte by byte."""
    # JSON_CONTAINS finds an array only in an array: a list that is stored as an object holds nothing.
    if not isinstance(elements, list):
        return []
    return [
        (attribute_id, php.encode_json(element["value"]))
        for element in elements
        if isinstance(element, dict) and "value" in element
    ]


def _elements(row: Row) -> Iterable[Hashable]:
    if row["json_value"] is None:
        return ()
    return element_keys(row["attribute_id"], php.stored_json(row["json_value"]))


def _texts(row: Row) -> Iterable[Hashable]:
    return () if row["text_value"] is None else ((row["entity_type"], fold(row["text_value"])),)


def _required(name: str) -> Column:
    return Column(name, nullable=False)


def _named(name: str, *columns: Column, unique: bool = False) -> Shape:
    return Shape(name, (ID, _required("name"), *columns, *TIMES), uniques=(("name",),) if unique else ())


def _pivot(name: str, left: str, left_table: str, right: str, right_table: str) -> Shape:
    return Shape(
        name,
        (ID, Column(left, "uint", nullable=False), Column(right, "uint", nullable=False)),
        uniques=((left, right),) if name.endswith("tags") else (),
        foreign=(ForeignKey(left, left_table), ForeignKey(right, right_table)),
        indexes={left: _by(left), right: _by(right)},
    )


SHAPES: tuple[Shape, ...] = (
    Shape(
        "roles",
        (
            ID,
            _required("name"),
            Column("description"),
            _required("permission_type"),
            Column("permissions", "json"),
            *TIMES,
        ),
    ),
    Shape(
        "users",
        (
            ID,
            _required("name"),
            _required("email"),
            Column("password"),
            Column("status", "bool", nullable=False, default=0),
            Column("role_id", "uint", nullable=False),
            Column("image"),
            Column("view_permission", default="global"),
            *TIMES,
        ),
        uniques=(("email",),),
        foreign=(ForeignKey("role_id", "roles"),),
    ),
    _named("groups", Column("description"), unique=True),
    _pivot("user_groups", "group_id", "groups", "user_id", "users"),
    Shape(
        "personal_access_tokens",
        (
            ID,
            Column("user_id", "uint", nullable=False),
            _required("name"),
            Column("token", size=2000),
            Column("abilities", "json"),
            Column("expires_at", "datetime"),
            *TIMES,
        ),
        indexes={"token": _by("token"), "user_id": _by("user_id")},
    ),
    Shape(
        "lead_pipelines",
        (
            ID,
            _required("name"),
            Column("is_default", "bool", nullable=False, default=0),
            Column("rotten_days", "int", nullable=False, default=30),
            *TIMES,
        ),
        uniques=(("name",),),
    ),
    Shape(
        "lead_pipeline_stages",
        (
            ID,
            Column("code"),
            Column("name"),
            Column("probability", "int", nullable=False, default=0),
            Column("sort_order", "int", nullable=False, default=0),
            Column("lead_pipeline_id", "uint", nullable=False),
        ),
        uniques=(("code", "lead_pipeline_id"), ("name", "lead_pipeline_id")),
        foreign=(ForeignKey("lead_pipeline_id", "lead_pipelines"),),
    ),
    _named("lead_sources"),
    _named("lead_types"),
    _named("warehouses"),
    _named("warehouse_locations"),
    Shape(
        "attributes",
        (
            ID,
            _required("code"),
            _required("name"),
            _required("type"),
            Column("lookup_type"),
            _required("entity_type"),
            Column("sort_order", "int"),
            Column("validation"),
            Column("is_required", "bool", nullable=False, default=0),
            Column("is_unique", "bool", nullable=False, default=0),
            Column("quick_add", "bool", nullable=False, default=0),
            Column("is_user_defined", "bool", nullable=False, default=1),
            *TIMES,
        ),
        uniques=(("code", "entity_type"),),
    ),
    Shape(
        "attribute_options",
        (ID, Column("name"), Column("sort_order", "int"), Column("attribute_id", "uint", nullable=False)),
        foreign=(ForeignKey("attribute_id", "attributes"),),
        indexes={"attribute_id": _by("attribute_id")},
    ),
    Shape(
        "attribute_values",
        (
            ID,
            Column("entity_type", nullable=False, default="leads"),
            Column("text_value", "text"),
            Column("boolean_value", "bool"),
            Column("integer_value", "int"),
            Column("float_value", "double"),
            Column("datetime_value", "datetime"),
            Column("date_value", "date"),
            Column("json_value", "json"),
            Column("entity_id", "uint", nullable=False),
            Column("attribute_id", "uint", nullable=False),
            Column("unique_id"),
        ),
        foreign=(ForeignKey("attribute_id", "attributes"),),
        indexes={
            "entity": _by("entity_type", "entity_id"),
            "attribute_id": _by("attribute_id"),
            "element": _elements,
            "text": _texts,
        },
    ),
    Shape(
        "organizations",
        (ID, _required("name"), Column("address", "json"), Column("user_id", "uint"), *TIMES),
        uniques=(("name",),),
        foreign=(ForeignKey("user_id", "users", "set null"),),
    ),
    Shape(
        "persons",
        (
            ID,
            _required("name"),
            Column("emails", "json", nullable=False),
            Column("contact_numbers", "json"),
            Column("job_title"),
            Column("organization_id", "uint"),
            Column("user_id", "uint"),
            Column("unique_id"),
            *TIMES,
        ),
        uniques=(("unique_id",),),
        foreign=(
            ForeignKey("organization_id", "organizations", "set null"),
            ForeignKey("user_id", "users", "set null"),
        ),
        indexes={"organization_id": _by("organization_id")},
    ),
    Shape(
        "leads",
        (
            ID,
            _required("title"),
            Column("description", "text"),
            Column("lead_value", "decimal"),
            Column("status", "bool"),
            Column("lost_reason", "text"),
            Column("closed_at", "datetime"),
            Column("user_id", "uint"),
            Column("person_id", "uint"),
            Column("lead_source_id", "uint"),
            Column("lead_type_id", "uint"),
            Column("lead_pipeline_id", "uint"),
            Column("lead_pipeline_stage_id", "uint"),
            Column("expected_close_date", "date"),
            *TIMES,
        ),
        foreign=(
            ForeignKey("user_id", "users", "set null"),
            ForeignKey("person_id", "persons", "restrict"),
            ForeignKey("lead_source_id", "lead_sources", "restrict"),
            ForeignKey("lead_type_id", "lead_types", "restrict"),
            ForeignKey("lead_pipeline_id", "lead_pipelines", "cascade"),
            ForeignKey("lead_pipeline_stage_id", "lead_pipeline_stages", "set null"),
        ),
        indexes={"person_id": _by("person_id"), "stage": _by("lead_pipeline_id", "lead_pipeline_stage_id")},
    ),
    Shape(
        "products",
        (
            ID,
            _required("sku"),
            Column("name"),
            Column("description"),
            Column("quantity", "int", nullable=False, default=0),
            Column("price", "decimal"),
            *TIMES,
        ),
        uniques=(("sku",),),
    ),
    Shape(
        "lead_products",
        (
            ID,
            Column("quantity", "int", nullable=False, default=0),
            Column("price", "decimal"),
            Column("amount", "decimal"),
            Column("lead_id", "uint", nullable=False),
            Column("product_id", "uint", nullable=False),
            *TIMES,
        ),
        foreign=(ForeignKey("lead_id", "leads"), ForeignKey("product_id", "products")),
        indexes={"lead_id": _by("lead_id")},
    ),
    Shape(
        "activities",
        (
            ID,
            Column("title"),
            _required("type"),
            Column("comment", "text"),
            Column("additional", "json"),
            Column("schedule_from", "datetime"),
            Column("schedule_to", "datetime"),
            Column("is_done", "bool", nullable=False, default=0),
            Column("user_id", "uint"),
            Column("location"),
            *TIMES,
        ),
        foreign=(ForeignKey("user_id", "users"),),
    ),
    Shape(
        "activity_participants",
        (
            ID,
            Column("activity_id", "uint", nullable=False),
            Column("user_id", "uint"),
            Column("person_id", "uint"),
        ),
        foreign=(
            ForeignKey("activity_id", "activities"),
            ForeignKey("user_id", "users"),
            ForeignKey("person_id", "persons"),
        ),
        indexes={"activity_id": _by("activity_id"), "person_id": _by("person_id")},
    ),
    Shape(
        "activity_files",
        (ID, Column("name"), Column("path"), Column("activity_id", "uint", nullable=False), *TIMES),
        foreign=(ForeignKey("activity_id", "activities"),),
        indexes={"activity_id": _by("activity_id")},
    ),
    _pivot("person_activities", "activity_id", "activities", "person_id", "persons"),
    _pivot("lead_activities", "activity_id", "activities", "lead_id", "leads"),
    Shape(
        "tags",
        (ID, _required("name"), Column("color"), Column("user_id", "uint", nullable=False), *TIMES),
        foreign=(ForeignKey("user_id", "users"),),
    ),
    _pivot("person_tags", "tag_id", "tags", "person_id", "persons"),
    _pivot("lead_tags", "tag_id", "tags", "lead_id", "leads"),
    Shape(
        "workflows",
        (
            ID,
            _required("name"),
            Column("description"),
            _required("entity_type"),
            _required("event"),
            Column("condition_type", nullable=False, default="and"),
            Column("conditions", "json"),
            Column("actions", "json"),
            *TIMES,
        ),
    ),
)
