"""Checks the ids in a sync's settings against what its Krayin has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from krayin.endpoints import ENTITY_TYPES
from krayin.text import fold_name

from reconciliation.errors import SettingsDoNotFitKrayinError
from reconciliation.model.field_source import CRM_FIELDS, TEXT_FIELDS
from reconciliation.model.field_values import FILLABLE_TYPES, OPTION_TYPES, FieldType
from reconciliation.model.stages import Pipeline as LeadPipeline
from reconciliation.settings.sync_settings import STAGE_KEYS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from krayin.catalogue import Attribute, Catalogue, Pipeline

    from reconciliation.model.field_source import FilledField
    from reconciliation.settings.sync_settings import SyncSettings


@dataclass(frozen=True, slots=True)
class LeadTargets:
    """Where new leads of a sync go; ids of Krayin. `owner_id` None: no owner.

    `fields` are those that rules of one's own fill, by CRM kind and code.
    """

    pipeline_id: int
    stage_id: int
    source_id: int | None
    type_id: int | None
    owner_id: int | None
    fields: Mapping[str, Mapping[str, FilledField]]


def resolve_targets(settings: SyncSettings, catalogue: Catalogue) -> LeadTargets:
    """Return where new leads go, defaults filled in.

    Raises:
        SettingsDoNotFitKrayinError: an id or attribute the settings name is not in this Krayin; all
            problems at once, each with what there is.
    """
    fit = _Fit(settings, catalogue, [])
    pipeline = fit.pipeline()
    # While the pipeline itself is in doubt, any of this Krayin's stages may be meant.
    pipelines = catalogue.pipelines if pipeline is None else (pipeline,)
    stages = {one.id: one.name for each in pipelines for one in each.stages}
    of = f"pipeline {pipeline.id}" if pipeline else "this Krayin"
    if pipeline is not None and not pipeline.stages:
        fit.problems.append(f"lead_pipeline_id: pipeline {pipeline.id} ({pipeline.name}) has no stages")
        stage_id = None
    else:
        stage_id = fit.known("lead_pipeline_stage_id", stages, of) or next(iter(stages), None)
    sources = {one.id: one.name for one in catalogue.sources}
    web = [number for number, name in sources.items() if "web" in name.casefold()]
    types = {one.id: one.name for one in catalogue.types}
    source_id = fit.known("lead_source_id", sources) or min(web or sources, default=None)
    type_id = fit.known("lead_type_id", types) or min(types, default=None)
    # From 2.2 on others see only a part of the users.
    if catalogue.user.view_permission == "global":
        users = {one.id: one.name for one in catalogue.users}
        fit.known("lead_owner", users)
        for key, chosen in (("teams", settings.owner.teams), ("inboxes", settings.owner.inboxes)):
            for number, user in sorted(chosen.items()):
                fit.there(f"owner.{key}.{number}", user, users)
    for key in STAGE_KEYS:
        fit.known(key, stages, of)
    every = {one.id: one.name for each in catalogue.pipelines for one in each.stages}
    for how, chosen in settings.leads.stage:
        for where, stage in sorted(chosen.items()):
            fit.there(f"leads.stage.{how}.{where}", stage, every)
    fields = {kind: fit.fields(kind) for kind in ENTITY_TYPES}
    if fit.problems:
        raise SettingsDoNotFitKrayinError(settings.name, fit.problems)
    assert pipeline is not None
    assert stage_id is not None
    return LeadTargets(pipeline.id, stage_id, source_id, type_id, settings.lead_owner, fields)


def missing_users(wanted: Iterable[int], catalogue: Catalogue) -> list[int]:
    """Return those of some users whom a Krayin does not have, or who may not work.

    From 2.2 on who has no global view sees only a part of the users: then none is called missing.
    """
    if catalogue.user.view_permission != "global":
        return []
    there = {one.id for one in catalogue.users if one.is_active}
    return [one for one in wanted if one not in there]


def pipeline_of(targets: LeadTargets, catalogue: Catalogue) -> LeadPipeline:
    """Return the pipeline in which the leads of a sync move."""
    order = catalogue.stage_order(targets.pipeline_id)
    return LeadPipeline(targets.pipeline_id, order, final_stages(catalogue))


def final_stages(catalogue: Catalogue) -> frozenset[int]:
    """Return the ids of the stages in which a lead is won or lost, of all pipelines."""
    return frozenset(
        stage.id
        for pipeline in catalogue.pipelines
        for stage in pipeline.stages
        if catalogue.is_final_stage(stage.id)
    )


@dataclass(frozen=True, slots=True)
class _Fit:
    """Holds settings against a Krayin and collects the problems."""

    settings: SyncSettings
    catalogue: Catalogue
    problems: list[str]

    def known(self, key: str, there_is: Mapping[int, str], of: str = "this Krayin") -> int | None:
        """Return the id set under a key, None where none is; a problem if there is no such id."""
        wanted: int | None = getattr(self.settings, key)
        if wanted is not None:
            self.there(key, wanted, there_is, of)
        return wanted

    def there(self, key: str, wanted: int, there_is: Mapping[int, str], of: str = "this Krayin") -> None:
        """Note a problem if there is no such id."""
        if wanted not in there_is:
            known = ", ".join(f"{number} ({name})" for number, name in sorted(there_is.items())) or "none"
            self.problems.append(f"{key}: {wanted} does not exist in {of}; there is {known}")

    def pipeline(self) -> Pipeline | None:
        """Return the pipeline that is set, else that of the stage which is set, else the default one."""
        catalogue, stage_id = self.catalogue, self.settings.lead_pipeline_stage_id
        wanted = self.known("lead_pipeline_id", {one.id: one.name for one in catalogue.pipelines})
        if wanted is not None:
            return catalogue.pipeline(wanted)
        if not catalogue.pipelines:
            problem = "lead_pipeline_id: this Krayin has no pipeline; create one under Settings > Pipelines"
            self.problems.append(problem)
            return None
        of_stage = None if stage_id is None else catalogue.pipeline_of_stage(stage_id)
        return of_stage or catalogue.default_pipeline()

    def fields(self, kind: str) -> dict[str, FilledField]:
        """Return the fields of a CRM kind that are filled, by code, with the types of this Krayin."""
        filled: dict[str, FilledField] = {}
        custom = {one.code: one for one in self.catalogue.custom_attributes(ENTITY_TYPES[kind])}
        for code, one in self.settings.filled[kind].items():
            key = self.settings.key_of_field(kind, code)
            attribute = custom.get(code)
            if code in (*CRM_FIELDS[kind], *TEXT_FIELDS[kind]) and key.startswith("fields."):
                if one.has_source:
                    filled[code] = one.source(key)
            elif attribute is None:
                known = ", ".join(sorted(custom)) or "none"
                self.problems.append(
                    f"{key}: Krayin has no custom {kind} attribute {code!r}; there is {known}"
                )
            elif _shown_type(attribute) not in FILLABLE_TYPES:
                allowed = ", ".join(sorted(FILLABLE_TYPES))
                self.problems.append(
                    f"{key}: attribute {code!r} is of type {_shown_type(attribute)}; can be filled: {allowed}"
                )
            elif one.options is not None and attribute.type not in OPTION_TYPES:
                self.problems.append(
                    f"{key}.options: attribute {code!r} is of type {attribute.type}, which has no options"
                )
            else:
                filled[code] = one.source(key, self._type(attribute))
        return filled

    def _type(self, attribute: Attribute) -> FieldType:
        """Return what an attribute takes."""
        if attribute.type == "lookup":
            users = self.catalogue.users
            choices = {fold_name(name): user.id for user in users for name in (user.name, user.email)}
        else:
            choices = {fold_name(option.name): option.id for option in attribute.options}
        return FieldType(attribute.type, attribute.validation, choices, attribute.is_required)


def _shown_type(attribute: Attribute) -> str:
    # Of other records than users no names are known here.
    if attribute.type == "lookup" and attribute.lookup_type != "users":
        return f"lookup of {attribute.lookup_type}"
    return attribute.type
