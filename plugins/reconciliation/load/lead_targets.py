"""Decides where a lead goes that is about to be made: where its plan says, else where the settings say."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from krayin.catalogue import LeadType, Source

from reconciliation.load.sink import Steps
from reconciliation.model.desired_contact import LeadTarget

if TYPE_CHECKING:
    from reconciliation.load.named_settings import NamedSettings
    from reconciliation.load.person import ContactWork
    from reconciliation.load.sink import LoadContext
    from reconciliation.settings.targets import LeadTargets
    from reconciliation.store.ledger import Operation

MAKE_SOURCE = "make_source"
MAKE_TYPE = "make_type"


class LeadTargetSteps(Steps):
    """Finds the source and type of one sync's new leads, and makes them where the settings ask for it."""

    def __init__(self, context: LoadContext, named: NamedSettings) -> None:
        """Work with `context`; `named` knows the sources and types there are."""
        super().__init__(context)
        self.named = named

    def of(self, work: ContactWork) -> LeadTargets:
        """Return where the lead of a contact is made, in the stage of the move that waits for it.

        Raises:
            KrayinError: what is missing could not be made.
        """
        operation, target, leads = work.operation, target_of(work.operation), self.settings.leads
        pipeline_id, stage_id = place_of(operation, self.targets)
        source_id, type_id = self.targets.source_id, self.targets.type_id
        if target.source is not None:
            make = MAKE_SOURCE if leads.source.create_missing else None
            source_id = self.named.id_of(operation, Source, target.source, make) or source_id
        if target.type is not None:
            make = MAKE_TYPE if leads.type.create_missing else None
            type_id = self.named.id_of(operation, LeadType, target.type, make) or type_id
        return replace(
            self.targets,
            pipeline_id=pipeline_id,
            stage_id=stage_id if work.move is None else work.move.stage_id,
            source_id=source_id,
            type_id=type_id,
            owner_id=work.owner if target.owner is None else target.owner or self.targets.owner_id,
        )


def target_of(operation: Operation) -> LeadTarget:
    """Return where the plan of a contact says that its lead goes."""
    # Plans of an earlier version say nothing.
    given = operation.payload.get("target")
    return LeadTarget() if given is None else LeadTarget.from_json(given)


def place_of(operation: Operation, targets: LeadTargets) -> tuple[int, int]:
    """Return the pipeline and stage in which the lead of a contact's operation begins."""
    target = target_of(operation)
    if target.stage_id is None or target.pipeline_id is None:
        return targets.pipeline_id, targets.stage_id
    return target.pipeline_id, target.stage_id
