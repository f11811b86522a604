"""Makes an account of Chatwoot send what a sync needs to a URL."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from chatwoot.webhook.payload_ids import SUBSCRIPTIONS

if TYPE_CHECKING:
    from chatwoot.api.client import ChatwootApi, Webhook

NAME = "Krayin sync"


@dataclass(frozen=True, slots=True)
class Registration:
    """The webhook as it stands now; `done` is "found", "made" or "changed".

    `others` are the account's other webhooks, as far as there are any.
    """

    webhook: Webhook
    done: str
    others: tuple[Webhook, ...] = field(default=(), repr=False)


def register(api: ChatwootApi, url: str) -> Registration:
    """Find, make or complete the webhook for `url`; other webhooks are left alone.

    Further subscriptions of a found one stay: somebody may want them, and the receiver ignores them.

    Raises:
        ChatwootApiUnreachable, ChatwootApiRefused: Chatwoot did not do it.
    """
    needed = frozenset(SUBSCRIPTIONS)
    there = api.webhooks()
    others = tuple(webhook for webhook in there if webhook.url != url)
    for webhook in there:
        if webhook.url == url:
            if needed <= webhook.subscriptions:
                return Registration(webhook, "found", others)
            wanted = sorted(needed | webhook.subscriptions)
            return Registration(api.update_webhook(webhook.id, url, wanted), "changed", others)
    return Registration(api.create_webhook(url, NAME, SUBSCRIPTIONS), "made", others)


def is_private(url: str) -> bool:
    """Tell whether Chatwoot 4.14 and later refuses the address unless told otherwise.

    It does for loopback and private networks. A name without a dot is one of a local network; other
    names are not looked up, as this machine may see another address than Chatwoot does.
    """
    host = urlsplit(url).hostname or ""
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return "." not in host or host.endswith((".local", ".internal", ".lan", ".localhost"))
