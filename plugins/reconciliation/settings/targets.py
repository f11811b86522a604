"""Checks the ids in a sync's settings against what its Krayin has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciliation.errors import SettingsDoNotFitKrayinError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from krayin.catalogue import Catalogue, Pipeline

    from reconciliation.settings.sync_settings import SyncSettings

ENTITY_TYPES = {"person": "persons", "lead": "leads", "organization": "organizations"}
FILLABLE_TYPES = frozenset({"text", "textarea", "boolean", "price", "date"})


@dataclass(frozen=True, slots=True)
class LeadTargets:
    """Where new leads of a sync go; ids of Krayin. `owner_id` None: no owner."""

    pipeline_id: int
    stage_id: int
    source_id: int | None
    type_id: int | None
    owner_id: int | None
    custom_types: Mapping[str, Mapping[str, str]]


def resolve_targets(settings: SyncSettings, catalogue: Catalogue) -> LeadTargets:
    """Return where new leads go, defaults filled in.

    Raises:
        SettingsDoNotFitKrayinError: an id or attribute the settings name is not in this Krayin; all
            problems at once, each with what there is.
    """
    problems: list[str] = []
    pipeline = _pipeline(settings, catalogue, problems)
    stage_id = _stage(settings, pipeline, catalogue, problems)
    source_id = _known(
        "lead_source_id",
        settings.lead_source_id,
        {source.id: source.name for source in catalogue.sources},
        problems,
    )
    if settings.lead_source_id is None:
        web = [source.id for source in catalogue.sources if "web" in source.name.casefold()]
        source_id = min(web, default=min((source.id for source in catalogue.sources), default=None))
    type_id = _known(
        "lead_type_id", settings.lead_type_id, {kind.id: kind.name for kind in catalogue.types}, problems
    )
    if settings.lead_type_id is None:
        type_id = min((kind.id for kind in catalogue.types), default=None)
    # From 2.2 on others see only a part of the users.
    if settings.lead_owner is not None and catalogue.user.view_permission == "global":
        _known("lead_owner", settings.lead_owner, {user.id: user.name for user in catalogue.users}, problems)
    for name in (
        "stage_on_conversation_created",
        "stage_on_first_response",
        "stage_on_conversation_resolved",
    ):
        _known_stage(name, getattr(settings, name), pipeline, catalogue, problems)
    custom_types = _custom_types(settings, catalogue, problems)
    if problems:
        raise SettingsDoNotFitKrayinError(settings.name, problems)
    assert pipeline is not None
    assert stage_id is not None
    return LeadTargets(pipeline.id, stage_id, source_id, type_id, settings.lead_owner, custom_types)


def final_stages(catalogue: Catalogue) -> frozenset[int]:
    """Return the ids of the stages in which a lead is won or lost, of all pipelines."""
    return frozenset(
        stage.id
        for pipeline in catalogue.pipelines
        for stage in pipeline.stages
        if catalogue.is_final_stage(stage.id)
    )


def _pipeline(settings: SyncSettings, catalogue: Catalogue, problems: list[str]) -> Pipeline | None:
    by_id = {pipeline.id: pipeline for pipeline in catalogue.pipelines}
    if settings.lead_pipeline_id is not None:
        _known(
            "lead_pipeline_id",
            settings.lead_pipeline_id,
            {one.id: one.name for one in by_id.values()},
            problems,
        )
        return by_id.get(settings.lead_pipeline_id)
    if settings.lead_pipeline_stage_id is not None:
        for pipeline in by_id.values():
            if any(stage.id == settings.lead_pipeline_stage_id for stage in pipeline.stages):
                return pipeline
    if not by_id:
        problems.append(
            "lead_pipeline_id: this Krayin has no pipeline; create one under Settings > Pipelines"
        )
        return None
    return catalogue.default_pipeline()


def _stage(
    settings: SyncSettings, pipeline: Pipeline | None, catalogue: Catalogue, problems: list[str]
) -> int | None:
    wanted = settings.lead_pipeline_stage_id
    if pipeline is not None and not pipeline.stages:
        problems.append(f"lead_pipeline_id: pipeline {pipeline.id} ({pipeline.name}) has no stages")
        return None
    if wanted is None:
        return pipeline.stages[0].id if pipeline is not None else None
    return _known_stage("lead_pipeline_stage_id", wanted, pipeline, catalogue, problems)


def _known_stage(
    key: str, wanted: int | None, pipeline: Pipeline | None, catalogue: Catalogue, problems: list[str]
) -> int | None:
    # While the pipeline itself is in doubt, any of this Krayin's stages may be meant.
    pipelines = catalogue.pipelines if pipeline is None else (pipeline,)
    stages = {stage.id: stage.name for one in pipelines for stage in one.stages}
    of = "this Krayin" if pipeline is None else f"pipeline {pipeline.id}"
    return _known(key, wanted, stages, problems, of=of)


def _known(
    key: str, wanted: int | None, there_is: Mapping[int, str], problems: list[str], *, of: str = "this Krayin"
) -> int | None:
    if wanted is not None and wanted not in there_is:
        known = ", ".join(f"{number} ({name})" for number, name in sorted(there_is.items())) or "none"
        problems.append(f"{key}: {wanted} does not exist in {of}; there is {known}")
    return wanted


def _custom_types(
    settings: SyncSettings, catalogue: Catalogue, problems: list[str]
) -> dict[str, dict[str, str]]:
    types: dict[str, dict[str, str]] = {}
    for kind, entity_type in ENTITY_TYPES.items():
        types[kind] = {}
        custom = {
            attribute.code: attribute
            for attribute in catalogue.attributes
            if attribute.entity_type == entity_type and attribute.is_user_defined
        }
        for source, code in getattr(settings.custom_fields, kind).items():
            found = custom.get(code)
            if found is None:
                known = ", ".join(sorted(custom)) or "none"
                problems.append(
                    f"custom_fields.{kind}.{source}: Krayin has no custom {kind} attribute {code!r}; "
                    f"there is {known}"
                )
            elif found.type not in FILLABLE_TYPES:
                allowed = ", ".join(sorted(FILLABLE_TYPES))
                problems.append(
                    f"custom_fields.{kind}.{source}: attribute {code!r} is of type {found.type}; "
                    f"can be filled: {allowed}"
                )
            else:
                types[kind][code] = found.type
    return types
