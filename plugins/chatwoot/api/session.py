"""Calls to Chatwoot's REST API for one account: paced, repeated where that helps, told apart when refused."""

from __future__ import annotations

import threading
import time
from collections import deque
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Self

import httpx
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential, wait_random

from chatwoot.api.access import ApiAccess, HttpOptions
from chatwoot.api.rows import payload_of
from chatwoot.errors import ChatwootApiRefused, ChatwootApiUnreachable, ChatwootApiUnusable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tenacity import RetryCallState

    from chatwoot.api.rows import Json

REQUESTS_PER_MINUTE = 2_500
"""Chatwoot lets an address make 3,000 requests a minute; the rest is left to its other users."""
_WINDOW = 60.0
_ATTEMPTS = 6
_UNAUTHORIZED = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_PASSING = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY})
_NO_ACCESS = (
    "; the password of the connection must be the access token (Profile settings > Access token) of a user "
    "of account {account}, best of an administrator, as agents see the conversations of their inboxes only; "
    "behind nginx, `underscores_in_headers on` lets the header api_access_token through"
)
_HINTS: dict[int, str] = {
    **dict.fromkeys(_UNAUTHORIZED, _NO_ACCESS),
    HTTPStatus.NOT_FOUND: "; check the address and that account {account} is there",
}


class _AgainError(Exception):
    """The call may be repeated after `seconds`, None for a growing pause."""

    def __init__(self, reason: str, seconds: float | None = None) -> None:
        self.reason = reason
        self.seconds = seconds
        super().__init__(reason)


class Pace:
    """Lets at most `per_minute` calls through in any minute; threads share it."""

    def __init__(
        self,
        per_minute: int,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._starts: deque[float] = deque(maxlen=per_minute)
        self._lock = threading.Lock()
        self._clock = clock
        self._sleep = sleep

    def wait(self) -> None:
        """Return as soon as one more call is within the limit, and count it."""
        with self._lock:
            if len(self._starts) == self._starts.maxlen:
                left = self._starts[0] + _WINDOW - self._clock()
                if left > 0:
                    self._sleep(left)
            self._starts.append(self._clock())


class ApiSession:
    """The API of one account; a context manager that several threads may use.

    :param base_url: the address in the browser, for example https://app.chatwoot.com.
    :param token: the access token of a user of the account; it is in no message, repr or log.
    :param requests_per_minute: how many calls this session makes at most.
    :param http: how calls are made: certificates, proxies, further headers.
    """

    def __init__(  # noqa: PLR0913 - what tests replace
        self,
        base_url: str,
        token: str,
        account_id: int,
        *,
        requests_per_minute: int = REQUESTS_PER_MINUTE,
        http: HttpOptions | None = None,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._access = ApiAccess.of(base_url, token)
        self.where = self._access.where
        self.account_id = account_id
        self._pace = Pace(requests_per_minute, sleep=sleep)
        self._sleep = sleep
        self._client = self._access.client(http or HttpOptions(), transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def get(self, path: str, **parameters: Any) -> Any:
        """Return the JSON that a path of the account answers.

        Raises:
            ChatwootApiUnreachable: no answer, or none that helps, several times.
            ChatwootApiRefused: the token or the request is refused.
            ChatwootApiUnusable: the address or the token cannot be one.
        """
        return self._json(self._answer("GET", self._path(path), parameters))

    def find(self, path: str, **parameters: Any) -> Any | None:
        """Return the JSON that a path of the account answers, None where Chatwoot says that nothing is (404).

        Raises:
            ChatwootApiUnreachable: also for a 404 of something before Chatwoot, as proxies answer while
                Chatwoot restarts: taken for Chatwoot's, everything would be deleted.
            ChatwootApiRefused, ChatwootApiUnusable: as `get`.
        """
        try:
            return self.get(path, **parameters)
        except ChatwootApiRefused as refused:
            if refused.status == HTTPStatus.NOT_FOUND:
                return None
            raise

    def contact(self, contact_id: int) -> Json | None:
        """Return the JSON of a contact, None where the account has none with that id; raises as `find`."""
        found = self.find(f"/contacts/{contact_id}")
        return None if found is None else payload_of(found, self.where)

    def has(self, path: str) -> bool:
        """Tell whether the account has what a path names, also where the token's user may not see it."""
        try:
            return self.find(path) is not None
        except ChatwootApiRefused as refused:
            if refused.status not in _UNAUTHORIZED:
                raise
            # Fails if it is the token that is refused.
            self.root("/api/v1/profile")
            return True

    def send(self, method: str, path: str, body: object, **parameters: Any) -> Any:
        """Return the JSON answered to a body; sent twice it must do the same as once."""
        return self._json(self._answer(method, self._path(path), parameters, body))

    def root(self, path: str) -> tuple[Any, datetime]:
        """Return the JSON of a path outside of the account, and the server's clock (UTC, whole seconds)."""
        answer = self._answer("GET", f"{self.where}{path}")
        return self._json(answer), _date(answer)

    def _answer(
        self, method: str, url: str, parameters: Mapping[str, Any] | None = None, body: object = None
    ) -> httpx.Response:
        """Make a call, several times where that helps, and return its answer."""
        if self._access.problem is not None:
            raise ChatwootApiUnusable(self.where, self._access.problem)
        repeat = Retrying(
            retry=retry_if_exception_type(_AgainError),
            stop=stop_after_attempt(_ATTEMPTS),
            wait=_pause,
            sleep=self._sleep,
            reraise=True,
        )
        try:
            return repeat(self._once, method, url, parameters, body)
        except _AgainError as error:
            raise ChatwootApiUnreachable(self.where, error.reason) from None

    def _path(self, path: str) -> str:
        return f"{self.where}/api/v1/accounts/{self.account_id}{path}"

    def _once(
        self, method: str, url: str, parameters: Mapping[str, Any] | None, body: object
    ) -> httpx.Response:
        self._pace.wait()
        try:
            answer = self._client.request(method, url, params=parameters, json=body)
        except httpx.RequestError as error:
            raise _AgainError(str(error) or type(error).__name__) from None
        if answer.is_success:
            return answer
        status = answer.status_code
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            reason = "it asks for fewer requests a minute (429)"
            raise _AgainError(reason, _retry_after(answer))
        if answer.is_redirect:
            reason = f"it leads elsewhere ({status}); check the address, https included"
            raise ChatwootApiUnreachable(self.where, reason)
        said = _said(answer)
        if status == HTTPStatus.NOT_FOUND and "error" not in said:
            # As a proxy before Chatwoot answers.
            reason = (
                "a 404 that is not Chatwoot's own; a proxy before it does not find it, or the address is "
                "another's"
            )
            raise _AgainError(reason)
        if status in _PASSING or not answer.is_client_error:
            reason = f"status {status}"
            raise _AgainError(reason)
        reason = str(said.get("message") or said.get("error") or "no reason given")[:300]
        hint = _HINTS.get(status, "").format(account=self.account_id)
        raise ChatwootApiRefused(self.where, status, reason + hint)

    def _json(self, answer: httpx.Response) -> Any:
        try:
            return answer.json()
        except ValueError:
            raise ChatwootApiUnreachable(
                self.where, "the answer is not JSON; is this the address of Chatwoot?"
            ) from None


_growing = wait_exponential(multiplier=0.5, max=20) + wait_random(0, 1)


def _pause(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    seconds = error.seconds if isinstance(error, _AgainError) else None
    return _growing(state) if seconds is None else seconds


def _retry_after(answer: httpx.Response) -> float:
    """Return the seconds until the window ends; Chatwoot itself names none and counts by full minutes."""
    given = answer.headers.get("Retry-After", "")
    if given.isascii() and given.isdigit():
        return min(max(float(given), 1.0), 2 * _WINDOW)
    return _WINDOW - _date(answer).timestamp() % _WINDOW + 1


def _date(answer: httpx.Response) -> datetime:
    try:
        return parsedate_to_datetime(answer.headers["Date"]).astimezone(UTC)
    except (KeyError, ValueError, TypeError):
        return datetime.now(UTC).replace(microsecond=0)


def _said(answer: httpx.Response) -> dict[str, Any]:
    """Return the JSON object with which Chatwoot refuses (`{"error": …}`), an empty one for anything else."""
    try:
        found = answer.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
