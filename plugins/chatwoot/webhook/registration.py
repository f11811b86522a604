"""Makes an account of Chatwoot send what a sync needs to a URL."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

from pydantic import BeforeValidator, TypeAdapter

from chatwoot.api.rows import strange
from chatwoot.webhook.payload_ids import SUBSCRIPTIONS

if TYPE_CHECKING:
    from chatwoot.api.session import ApiSession

NAME = "Krayin sync"


@dataclass(frozen=True, slots=True)
class Webhook:
    """A webhook of an account; `secret` is None before Chatwoot 4.11.2."""

    id: int
    url: str
    subscriptions: Annotated[frozenset[str], BeforeValidator(lambda given: given or ())] = frozenset()
    secret: Annotated[str | None, BeforeValidator(lambda given: given or None)] = field(
        repr=False, default=None
    )


_WEBHOOKS = TypeAdapter(list[Webhook])


@dataclass(frozen=True, slots=True)
class Registration:
    """The webhook as it stands now; `done` is "found", "made" or "changed".

    `others` are the account's other webhooks, as far as there are any.
    """

    webhook: Webhook
    done: str
    others: tuple[Webhook, ...] = field(default=(), repr=False)


def register(session: ApiSession, url: str) -> Registration:
    """Find, make or complete the webhook for `url`; other webhooks are left alone.

    The token must be an administrator's. Further subscriptions of a found one stay: somebody may want them,
    and the receiver ignores them.

    Raises:
        ChatwootApiUnreachable, ChatwootApiRefused, ChatwootApiUnusable: Chatwoot did not do it.
    """
    needed = frozenset(SUBSCRIPTIONS)
    there = _read(session, session.get("/webhooks"))
    others = tuple(webhook for webhook in there if webhook.url != url)
    for webhook in there:
        if webhook.url == url:
            if needed <= webhook.subscriptions:
                return Registration(webhook, "found", others)
            body = {"url": url, "subscriptions": sorted(needed | webhook.subscriptions)}
            answer = session.send("PATCH", f"/webhooks/{webhook.id}", body)
            return Registration(_read(session, answer)[0], "changed", others)
    # Chatwoot makes the secret, and lets an account have an address once: a repeated call makes no second.
    answer = session.send(
        "POST", "/webhooks", {"url": url, "name": NAME, "subscriptions": list(SUBSCRIPTIONS)}
    )
    return Registration(_read(session, answer)[0], "made", others)


def _read(session: ApiSession, answer: Any) -> list[Webhook]:
    """Return the webhooks that are listed, or the one that was written."""
    try:
        payload = answer["payload"]
        return _WEBHOOKS.validate_python(
            payload["webhooks"] if "webhooks" in payload else [payload["webhook"]]
        )
    except (KeyError, TypeError, ValueError):
        raise strange(session.where) from None


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
