"""What new leads get by where their contact writes, as written in a sync file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypeVar

from chatwoot.contact_rule import CHANNELS
from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from reconciliation.settings.contact_where import Channel  # noqa: TC001 - pydantic resolves it at run time

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from chatwoot.records import Inbox


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)


Name = Annotated[str, Field(min_length=1, max_length=255)]
Given = TypeVar("Given")


class NamesByInbox(_Strict):
    """What new leads get by name."""

    by_inbox: dict[PositiveInt, Name] = Field(default_factory=dict)
    """Id of the inbox in Chatwoot, and the name in Krayin, as in `{3: Email}`. What counts is the inbox of
    the contact's latest conversation, without one those in which it was seen.
    """
    by_channel: dict[Channel, Name] = Field(default_factory=dict)
    """Else by the channel of the inbox, as in `{email: Email, web: Web, whatsapp: WhatsApp}`."""
    create_missing: bool = False
    """Make it in Krayin where there is none of the name. Otherwise that is told, and the default used."""


class StagesByInbox(_Strict):
    """In which stage new leads begin."""

    by_inbox: dict[PositiveInt, PositiveInt] = Field(default_factory=dict)
    """Id of the inbox in Chatwoot, and of the stage in Krayin; its pipeline is the lead's."""
    by_channel: dict[Channel, PositiveInt] = Field(default_factory=dict)
    """Else by the channel of the inbox."""


def given_in(
    inboxes: Iterable[Inbox], key: str, by_inbox: Mapping[int, Given], by_channel: Mapping[Channel, Given]
) -> dict[int, tuple[Given, str]]:
    """Return what the setting `key` gives for each inbox of an account, and by which of its rules.

    An inbox for which nothing is given is left out.
    """
    by_class = {
        CHANNELS[channel]: (given, f"{key}.by_channel.{channel}") for channel, given in by_channel.items()
    }
    found = {one.id: by_class[one.channel_type] for one in inboxes if one.channel_type in by_class}
    return found | {inbox: (given, f"{key}.by_inbox.{inbox}") for inbox, given in by_inbox.items()}
