"""In which source, type and stage a contact's new lead goes by where the contact writes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from krayin.text import fold_name

from reconciliation.model.desired_contact import LeadTarget

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

    from chatwoot.records import Contact

Given = TypeVar("Given")


@dataclass(frozen=True, slots=True)
class LeadChoices:
    """What new leads get by inbox, each with the rule that says so.

    `names` are by kind (`source`, `type`), `stages` are ids and `pipelines` those of the stages. `known` are
    the folded names that Krayin has, by kind; None: what is missing is made.
    """

    names: Mapping[str, Mapping[int, tuple[str, str]]]
    stages: Mapping[int, tuple[int, str]] = field(default_factory=dict)
    pipelines: Mapping[int, int] = field(default_factory=dict)
    known: Mapping[str, AbstractSet[str] | None] = field(default_factory=dict)

    def choose(self, contact: Contact) -> tuple[LeadTarget | None, dict[str, str], list[str]]:
        """Return what a contact's new lead gets, None for what others get, by which rules, and warnings."""
        rules: dict[str, str] = {}
        warnings: list[str] = []
        names: dict[str, str] = {}
        for kind, rule in self.names.items():
            name, setting = _of(rule, contact)
            known = self.known.get(kind)
            if name is None:
                continue
            if known is None or fold_name(name) in known:
                names[kind], rules[kind] = name, setting
            else:
                warnings.append(
                    f"no lead {kind} {name!r} in Krayin, so the default one is used; "
                    f"leads.{kind}.create_missing would have it made"
                )
        stage_id, setting = _of(self.stages, contact)
        if stage_id is not None:
            rules["stage"] = setting
        target = LeadTarget(
            names.get("source"), names.get("type"), stage_id, self.pipelines.get(stage_id or 0)
        )
        return target if rules else None, rules, warnings


def _of(rule: Mapping[int, tuple[Given, str]], contact: Contact) -> tuple[Given | None, str]:
    return next((rule[one] for one in contact.writes_in if one in rule), (None, ""))
