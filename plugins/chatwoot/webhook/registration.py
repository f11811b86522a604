"""Makes an account of Chatwoot send what a sync needs to a URL."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from chatwoot.errors import ChatwootApiUnreachable
from chatwoot.webhook.payload_ids import SUBSCRIPTIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from chatwoot.api.session import ApiSession

NAME = "Krayin sync"


@dataclass(frozen=True, slots=True)
class Webhook:
    """A webhook of an account; `secret` is None before Chatwoot 4.11.2."""

    id: int
    url: str
    subscriptions: frozenset[str]
    secret: str | None = field(repr=False, default=None)

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Self:
        """Return the webhook in an answer; raises KeyError, TypeError or ValueError for anything else."""
        return cls(
            int(found["id"]),
            str(found["url"]),
            frozenset(found.get("subscriptions") or ()),
            found.get("secret") or None,
        )


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
    there = _read(session, session.get("/webhooks"), lambda payload: payload["webhooks"])
    others = tuple(webhook for webhook in there if webhook.url != url)
    for webhook in there:
        if webhook.url == url:
            if needed <= webhook.subscriptions:
                return Registration(webhook, "found", others)
            body = {"url": url, "subscriptions": sorted(needed | webhook.subscriptions)}
            answer = session.send("PATCH", f"/webhooks/{webhook.id}", body)
            return Registration(_read(session, answer, _only)[0], "changed", others)
    # Chatwoot makes the secret, and lets an account have an address once: a repeated call makes no second.
    answer = session.send(
        "POST", "/webhooks", {"url": url, "name": NAME, "subscriptions": list(SUBSCRIPTIONS)}
    )
    return Registration(_read(session, answer, _only)[0], "made", others)


def _only(payload: Mapping[str, Any]) -> list[Any]:
    return [payload["webhook"]]


def _read(session: ApiSession, answer: Any, rows: Callable[[Any], list[Any]]) -> list[Webhook]:
    try:
        return [Webhook.from_json(row) for row in rows(answer["payload"])]
    except (KeyError, TypeError, ValueError):
        reason = "the answer has another form than Chatwoot 4's"
        raise ChatwootApiUnreachable(session.where, reason) from None


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
