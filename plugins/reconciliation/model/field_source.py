"""Where the value of a field in Krayin comes from, and whose value counts."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import TYPE_CHECKING, Literal

from reconciliation.model.field_values import FieldType

if TYPE_CHECKING:
    from reconciliation.model.text_template import TextTemplate

Policy = Literal["chatwoot", "krayin", "fill_blank", "newest"]
"""Whose value counts where both sides have one."""
OwnField = Literal["id", "name", "email", "phone", "identifier", "labels", "created_at"]
"""What of a contact can fill a field beside its attributes."""
CUSTOM_PREFIX = "custom."
"""How the flat fields of custom attributes are called, before their codes."""
CRM_FIELDS = {"person": ("name", "job_title"), "lead": ("lead_value",), "organization": ()}
"""Krayin's own fields that can be filled from elsewhere than usual, by CRM kind."""
TEXT_FIELDS = {"person": (), "lead": ("title", "description"), "organization": ()}
"""Krayin's own fields that templates of their own fill, by CRM kind."""


TEXT = FieldType()
"""Takes any text."""


@dataclass(frozen=True, slots=True)
class FilledField:
    """A field of Krayin that one's own rule fills: from one of three sources, in the form of its `type`.

    `key` is how the settings call the rule.
    """

    attribute: str | None = None
    field: OwnField | None = None
    template: TextTemplate | None = None
    type: FieldType = TEXT
    key: str = dataclass_field(default="", compare=False)
