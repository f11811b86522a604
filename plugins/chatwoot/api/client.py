"""Chatwoot's REST API, as much of it as setting up webhooks takes."""

# ruff: noqa: N818 - the errors' names say what happened, as the recovery depends on it

from __future__ import annotations

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Self, TypeVar

import httpx

from chatwoot.api.access import ApiAccess
from chatwoot.errors import ChatwootError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Result = TypeVar("Result")

_UNAUTHORIZED = {401, 403}
_PASSING = {408, 425, 429}


class ChatwootApiUnreachable(ChatwootError):
    """The API did not answer, or answered with a failure of its own; trying again later may help."""

    def __init__(self, where: str, reason: str) -> None:
        self.where = where
        self.reason = reason
        super().__init__(f"Chatwoot's API at {where} does not answer as it should: {reason}")


class ChatwootApiRefused(ChatwootError):
    """The API refused the token or the request; somebody must change something."""

    def __init__(self, where: str, status: int, reason: str) -> None:
        self.where = where
        self.status = status
        self.reason = reason
        super().__init__(f"Chatwoot's API at {where} refused ({status}): {reason}")


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


class ChatwootApi:
    """One account of one Chatwoot; a context manager.

    :param base_url: the address in the browser, for example https://chat.example.com.
    :param token: the access token of a user; webhooks need an administrator's.
    """

    def __init__(
        self, base_url: str, token: str, account_id: int, *, transport: httpx.BaseTransport | None = None
    ) -> None:
        """Open nothing yet."""
        self._access = ApiAccess.of(base_url, token)
        self.where = self._access.where
        self._account_id = account_id
        self._prefix = f"{self.where}/api/v1/accounts/{account_id}"
        self._client = self._access.client(transport)

    def __enter__(self) -> Self:
        """Return the API itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        self._client.close()

    def webhooks(self) -> list[Webhook]:
        """Return the account's webhooks.

        Raises:
            ChatwootApiUnreachable, ChatwootApiRefused, ChatwootApiUnusable: as they say; so does every
                method.
        """
        return self._read(
            self._call("GET", "/webhooks"),
            lambda answer: [Webhook.from_json(each) for each in answer["payload"]["webhooks"]],
        )

    def create_webhook(self, url: str, name: str, subscriptions: Sequence[str]) -> Webhook:
        """Make a webhook; Chatwoot makes its secret."""
        body = {"url": url, "name": name, "subscriptions": list(subscriptions)}
        return self._read(self._call("POST", "/webhooks", body), _one)

    def update_webhook(self, webhook_id: int, url: str, subscriptions: Sequence[str]) -> Webhook:
        """Change a webhook's subscriptions; its secret stays."""
        body = {"url": url, "subscriptions": list(subscriptions)}
        return self._read(self._call("PATCH", f"/webhooks/{webhook_id}", body), _one)

    def _call(self, method: str, path: str, body: object = None) -> Any:
        self._access.require()
        try:
            answer = self._client.request(method, f"{self._prefix}{path}", json=body)
        except httpx.RequestError as error:
            raise ChatwootApiUnreachable(self.where, str(error) or type(error).__name__) from None
        status = answer.status_code
        if status in _PASSING:
            raise ChatwootApiUnreachable(self.where, f"status {status}; try again in a minute")
        if answer.is_redirect:
            reason = f"it leads elsewhere ({status}); check the address, https included"
            raise ChatwootApiUnreachable(self.where, reason)
        if status in _UNAUTHORIZED:
            hint = (
                f"the token must be the access token of an administrator of account {self._account_id}; "
                "behind nginx, `underscores_in_headers on` lets the header api_access_token through"
            )
            raise ChatwootApiRefused(self.where, status, f"{_message(answer)}; {hint}")
        if status == HTTPStatus.NOT_FOUND:
            hint = f"check the address and that account {self._account_id} is there"
            raise ChatwootApiRefused(self.where, status, f"{_message(answer)}; {hint}")
        if 400 <= status < 500:
            raise ChatwootApiRefused(self.where, status, _message(answer))
        try:
            return answer.raise_for_status().json()
        except (httpx.HTTPStatusError, ValueError):
            raise ChatwootApiUnreachable(self.where, f"status {status}, or not JSON") from None

    def _read(self, answer: Any, read: Callable[[Any], Result]) -> Result:
        try:
            return read(answer)
        except (KeyError, TypeError, ValueError):
            raise ChatwootApiUnreachable(
                self.where, "the answer has another form than Chatwoot 4's"
            ) from None


def _one(answer: Any) -> Webhook:
    return Webhook.from_json(answer["payload"]["webhook"])


def _message(answer: httpx.Response) -> str:
    try:
        found = answer.json()
    except ValueError:
        return "no reason given"
    said = found.get("message") or found.get("error") if isinstance(found, dict) else None
    return str(said)[:300] if said else "no reason given"
