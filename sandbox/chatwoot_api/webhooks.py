"""The account's webhooks, for administrators."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING, Any

from sandbox.chatwoot_api.errors import UnprocessableError, not_found

if TYPE_CHECKING:
    from sandbox.chatwoot_api.calls import Call

_WEBHOOK = """
    jsonb_build_object(
        'id', webhook.id, 'name', webhook.name, 'url', webhook.url, 'account_id', webhook.account_id,
        'subscriptions', webhook.subscriptions, 'secret', webhook.secret
    )
"""


def index(call: Call) -> Any:
    """`GET /webhooks`."""
    found = call.documents(
        f"SELECT {_WEBHOOK} FROM webhooks AS webhook "
        "WHERE webhook.account_id = %(account_id)s ORDER BY webhook.id"
    )
    return {"payload": {"webhooks": found}}


def create(call: Call) -> Any:
    """`POST /webhooks`: Chatwoot makes the secret."""
    given = _given(call)
    if call.documents(
        "SELECT id FROM webhooks WHERE account_id = %(account_id)s AND url = %(url)s", url=given["url"]
    ):
        said = "Url has already been taken"
        raise UnprocessableError(said)
    return _saved(
        call,
        "INSERT INTO webhooks AS webhook "
        "(account_id, url, name, subscriptions, secret, created_at, updated_at) "
        "VALUES (%(account_id)s, %(url)s, %(name)s, %(subscriptions)s, %(secret)s, now(), now())",
        secret=secrets.token_urlsafe(18),
        **given,
    )


def update(call: Call) -> Any:
    """`PATCH /webhooks/{id}`: the secret stays."""
    return _saved(
        call,
        "UPDATE webhooks AS webhook SET url = %(url)s, name = coalesce(%(name)s, webhook.name), "
        "subscriptions = %(subscriptions)s, updated_at = now() "
        "WHERE webhook.id = %(id)s AND webhook.account_id = %(account_id)s",
        **_given(call),
    )


def _given(call: Call) -> dict[str, Any]:
    body = call.json()
    body = body.get("webhook") or body
    if not body.get("url") or not body.get("subscriptions"):
        said = "Subscriptions invalid"
        raise UnprocessableError(said)
    return {
        "url": body["url"],
        "name": body.get("name"),
        "subscriptions": json.dumps(body["subscriptions"]),
    }


def _saved(call: Call, statement: str, **values: Any) -> Any:
    found = call.documents(f"{statement} RETURNING {_WEBHOOK}", **values)
    if not found:
        raise not_found()
    return {"payload": {"webhook": found[0]}}
