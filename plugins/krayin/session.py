"""One call to Krayin: paced, sent, classified, and repeated only where that is safe."""

from __future__ import annotations

import json
import logging
import re
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

import httpx
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    wait_exponential,
    wait_random,
)

from krayin.classification import Meaning, Verdict, classify, error_of
from krayin.dialect import Dialect
from krayin.endpoints import WHOAMI
from krayin.errors import (
    AuthenticationFailed,
    ConfigurationError,
    DeletionsLimited,
    KrayinError,
    NotSent,
    OutcomeUnknown,
    RateLimited,
    ServerFailed,
    TryLater,
    TurnedAway,
    Unanswered,
    UnexpectedAnswer,
    UnreadableRecord,
)
from krayin.json_values import ShapeError
from krayin.permits import LimitFeedback
from krayin.records import Named, rows_of
from krayin.transport import describe_connection_failure, trusted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from krayin.endpoints import Endpoint
    from krayin.permits import Permit, RateLimiter

T = TypeVar("T")
log = logging.getLogger(__name__)
# At INFO httpx logs whole URLs, and ours search for customers' addresses and phone numbers.
logging.getLogger("httpx").setLevel(logging.WARNING)

RETRIES: Final = 3
"""How often a repeatable call is made again after a failure."""

WINDOW: Final = 61.0
"""Seconds after which a full window of Krayin's limiter (60 s) has surely passed."""

LOW_REMAINING: Final = 5
"""From so few remaining calls on, other workers may use up the window between two calls of ours."""

TOKEN_PROOF: Final = 60.0
"""Seconds for which a token that was asked about counts as good, unless two calls in a row fail."""

MAX_REFUSALS: Final = 5
"""How often one call waits for the limiter before it gives up."""

LONGEST_WAIT: Final = 300.0
"""Seconds beyond which a server's `Retry-After` is left to the caller."""

_NOTHING_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
_CANNOT_BE_SENT: Final = (httpx.UnsupportedProtocol, httpx.LocalProtocolError, httpx.InvalidURL)
# Of a gateway that did not get Krayin's own answer: what it asked for may still be under way.
_GATEWAY_GAVE_UP: Final = frozenset({502, 504, *range(520, 528)})
_REFUSALS: Final = (Meaning.TURNED_AWAY, Meaning.RATE_LIMITED, Meaning.UNAUTHENTICATED)
_TOKEN: Final = re.compile(r"[\x21-\x7e]+")
_BACKOFF: Final = wait_exponential(multiplier=2, exp_base=2) + wait_random(0, 1)


@dataclass(frozen=True, slots=True)
class ApiCall:
    """One request that was made or tried.

    Attributes:
        at: when it was sent, UTC.
        method: the HTTP method.
        route: the route template, for example `leads/attributes/edit/{id}`.
        status: the HTTP status, None when no answer came.
        milliseconds: from sending to the end of the answer.
        operation_id: the operation it was made for, None outside one.
        limit: `X-RateLimit-Limit`, None when absent.
        remaining: `X-RateLimit-Remaining`, None when absent.
        outcome: the verdict on the answer, or the kind of failure when none came.
    """

    at: datetime
    method: str
    route: str
    status: int | None
    milliseconds: float
    operation_id: str | None
    limit: int | None
    remaining: int | None
    outcome: str


@dataclass(frozen=True, slots=True)
class _Request:
    endpoint: Endpoint
    record_id: int | None = None
    query: Sequence[tuple[str, str]] = ()
    content: bytes | None = None


@dataclass(frozen=True, slots=True)
class _Reply:
    verdict: Verdict
    status: int
    payload: Any

    @property
    def may_mean_a_dead_token(self) -> bool:
        """Whether the answer is a bare 500 of a Krayin without limiter: its answer to a dead token too."""
        return (
            self.verdict.meaning is Meaning.SERVER_FAILED
            and self.status == httpx.codes.INTERNAL_SERVER_ERROR
            and self.verdict.limit is None
            and isinstance(self.payload, dict)
            and set(self.payload) == {"message"}
        )


def _polite_wait(retry_state: RetryCallState) -> float:
    """Return the seconds the server asked to wait, else 2, 4, 8 and up to one more."""
    error = retry_state.outcome.exception() if retry_state.outcome else None
    if isinstance(error, TryLater) and error.retry_after is not None:
        return error.retry_after
    return _BACKOFF(retry_state)


class Session:
    """Calls of Krayin's API below one base address with one token; for one thread at a time.

    A call takes a permit from the limiter first and settles it with what the answer said. Repeatable
    calls are made again up to three times, but not a change that Krayin may still be at work on:
    carried out late, it would undo what was written meanwhile. An unrepeatable one (a POST that
    creates) is repeated only when the connection could not be made or the limiter certainly turned
    it away.
    """

    def __init__(  # noqa: PLR0913 - settings of one object, by keyword
        self,
        base_url: str,
        token: str,
        *,
        limiter: RateLimiter,
        on_call: Callable[[ApiCall], None] | None = None,
        connect_timeout: float = 5.0,
        read_timeout: float = 30.0,
        retries: int = RETRIES,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Open the session; no call is made yet.

        Args:
            base_url: the API's address, to which the routes are appended.
            token: the Sanctum token; it leaves this object only in the Authorization header.
            limiter: grants the calls.
            on_call: told of every call made or tried, for the audit.
            connect_timeout: seconds to make a connection.
            read_timeout: seconds to wait for an answer.
            retries: how often a repeatable call is made again after a failure.
            transport: another httpx transport, for tests.
            sleep: waits so many seconds between tries.
            monotonic: a clock in seconds that never goes back.

        Raises:
            ConfigurationError: the token is empty or holds characters no token has.
        """
        token = token.strip()
        if not _TOKEN.fullmatch(token):
            message = (
                "the token is empty or holds blanks or non-ASCII characters: paste the Sanctum token again"
            )
            raise ConfigurationError(message)
        self.base_url = base_url.rstrip("/")
        """The API's address, without a slash at its end."""
        self._http = httpx.Client(
            base_url=self.base_url + "/",
            headers={
                # Without it Krayin answers its errors as pages with status 200.
                "Accept": "application/json",
                # A cache before Krayin would show a record as it was before a salesperson's edit.
                "Cache-Control": "no-cache",
                "Authorization": f"Bearer {token}",
                "User-Agent": "chatwoot-krayin-sync",
            },
            timeout=httpx.Timeout(read_timeout, connect=connect_timeout),
            follow_redirects=False,
            transport=transport,
            verify=trusted(),
        )
        self._limiter = limiter
        self._on_call = on_call
        self._retries = retries
        self._sleep = sleep
        self._monotonic = monotonic
        self._operation: str | None = None
        self._before_write: Callable[[], object] | None = None
        self.dialect = Dialect()
        """How this Krayin answers, as far as it has shown by now."""
        self._token_worked = False
        self._token_proved_at: float | None = None
        self._failed: _Request | None = None
        """The request that failed last, if nothing was answered well since."""
        self._low_at: float | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.base_url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the kept-alive connection."""
        self._http.close()

    @contextmanager
    def operation(
        self, operation_id: object, before_write: Callable[[], object] | None = None
    ) -> Iterator[None]:
        """Write `operation_id` into the audit of every call made inside the block.

        `before_write` is called with the permit in hand, right before each try of a writing call:
        the place to commit the intent. What it raises keeps the call from being made.
        """
        outer = self._operation, self._before_write
        self._operation, self._before_write = str(operation_id), before_write
        try:
            yield
        finally:
            self._operation, self._before_write = outer

    def call(
        self,
        endpoint: Endpoint,
        read: Callable[[Any], T],
        record_id: int | None = None,
        *,
        query: Sequence[tuple[str, str]] = (),
        body: Mapping[str, Any] | None = None,
    ) -> T:
        """Make one call and return what `read` finds in the parsed JSON of its good answer.

        Raises:
            KrayinError: one of `krayin.errors`, by how to recover.
        """
        content = None
        if body is not None:
            content = json.dumps(body, ensure_ascii=False, allow_nan=False, default=str).encode()
        request = _Request(endpoint, record_id, query, content)
        retrying = Retrying(
            stop=stop_after_attempt(1 + self._retries),
            wait=_polite_wait,
            retry=retry_if_exception(lambda error: _worth_repeating(endpoint, error)),
            sleep=self._sleep,
            reraise=True,
        )
        answer = retrying(self._attempt, request)
        try:
            return read(answer)
        except ShapeError as error:
            message = f"the answer has another shape than Krayin gives: {error}"
            if endpoint.repeatable:
                raise UnreadableRecord(message, **endpoint.where(200)) from None
            raise OutcomeUnknown(message, **endpoint.where(200)) from None

    def _attempt(self, request: _Request) -> Any:
        endpoint = request.endpoint
        reply = None
        for _ in range(MAX_REFUSALS):
            reply = self._send(request)
            if reply.verdict.meaning is Meaning.ANSWERED:
                self._failed = None
                return reply.payload
            if endpoint.own_limiter and _may_be_its_limiter(endpoint, reply):
                retry_after = reply.verdict.retry_after
                raise DeletionsLimited(retry_after=retry_after, **endpoint.where(reply.status))
            if reply.verdict.meaning is Meaning.RATE_LIMITED:
                # Costs no attempt: nothing was done, and the limiter's next permit lies after the wait.
                continue
            if reply.verdict.meaning is Meaning.TURNED_AWAY and (
                self._token_worked or endpoint is not WHOAMI
            ):
                self._confirm_token(request)
                continue
            if reply.may_mean_a_dead_token:
                self._rule_out_a_dead_token(request)
            if reply.verdict.meaning is Meaning.NOT_FOUND:
                self._rule_out_that_it_is_listed(request)
            raise _error(endpoint, reply)
        assert reply is not None
        message = "the rate limiter kept refusing: another program uses this API user's calls"
        raise RateLimited(message, retry_after=reply.verdict.retry_after, **endpoint.where(reply.status))

    def _confirm_token(self, request: _Request) -> None:
        """Return when it was the limiter, seen by a window's wait, that turned a repeatable call away.

        Raises:
            AuthenticationFailed: the token does not work; one that worked before, not after a whole
                window either.
            ServerFailed: the token works at once, so the call died inside Krayin: a PHP fatal error
                or a too large body gives the same answer.
            OutcomeUnknown: the same for a call that must not be repeated.
        """
        probe = _Request(WHOAMI)
        endpoint = request.endpoint
        for wait in (0.0, WINDOW) if self._token_worked else (0.0,):
            if wait:
                self._sleep(wait)
            try:
                reply = self._send(probe, refused_means_limit=True)
            except KrayinError as error:
                raise _unresolved(endpoint) from error
            if reply.verdict.meaning is Meaning.ANSWERED:
                if wait and endpoint.repeatable:
                    return
                break
            if reply.verdict.meaning not in _REFUSALS:
                break
        if reply.verdict.meaning in (Meaning.TURNED_AWAY, Meaning.UNAUTHENTICATED):
            raise _error(endpoint, reply)
        raise _unresolved(endpoint)

    def _rule_out_a_dead_token(self, request: _Request) -> None:
        """Return when a failure is the call's own, where Krayin answers a dead token in the same way.

        One question answers for a while and for all tries of a call, so that failing records do not
        cost one each; a second call in a row that fails is asked about anew.

        Raises:
            AuthenticationFailed: the token is dead: `GET /get`, which depends on nothing else, fails too.
        """
        first, self._failed = self._failed, request
        if request.endpoint is not WHOAMI:
            proved = self._token_proved_at
            recent = proved is not None and self._monotonic() - proved < TOKEN_PROOF
            if first is request or (first is None and recent):
                return
            try:
                reply = self._send(_Request(WHOAMI))
            except KrayinError:
                return
            if reply.verdict.meaning is Meaning.ANSWERED:
                self._token_proved_at = self._monotonic()
                return
            if not reply.may_mean_a_dead_token and reply.verdict.meaning is not Meaning.UNAUTHENTICATED:
                return
        message = (
            "Krayin fails on every call, even on the question whose token this is: it does not (or no longer)"
            " accept the token. Put a new one into the connection; if the token is right, read"
            " storage/logs/laravel.log on Krayin's server"
        )
        raise AuthenticationFailed(message, **request.endpoint.where(500))

    def _rule_out_that_it_is_listed(self, request: _Request) -> None:
        """Return when a record is missing in Krayin's list as well, or Krayin itself must have answered.

        Raises:
            UnexpectedAnswer: where no limiter shows who answered, something before Krayin did.
        """
        endpoint = request.endpoint
        if endpoint.shown_by is None or self.dialect.is_limited is not False:
            return
        if self.call(endpoint.shown_by, rows_of(Named), query=[("id", str(request.record_id))]):
            message = "Krayin says that the record does not exist and lists it: ask what stands before it"
            raise UnexpectedAnswer(message, **endpoint.where(404))

    def _send(self, request: _Request, *, refused_means_limit: bool = False) -> _Reply:
        endpoint = request.endpoint
        permit = self._limiter.acquire()
        if self._before_write is not None and endpoint.method != "GET":
            try:
                self._before_write()
            except BaseException:
                # The permit was not used, but only the server's clock could say so safely.
                self._settle(permit, None)
                raise
        at, started = datetime.now(UTC), self._monotonic()
        try:
            response = self._http.request(
                endpoint.method,
                endpoint.path(request.record_id),
                params=list(request.query) or None,
                content=request.content,
                headers={"Content-Type": "application/json"} if request.content is not None else None,
            )
        except (httpx.HTTPError, httpx.InvalidURL) as failure:
            self._settle(permit, None)
            error = _failure(endpoint, failure)
            self._audit(endpoint, at, started, outcome=type(error).__name__)
            # httpx's own text may quote a header, and with it the token.
            raise error from None
        except BaseException:
            self._settle(permit, None)
            self._audit(endpoint, at, started, outcome="interrupted")
            raise
        took = self._monotonic() - started
        reply = self._read(endpoint, response)
        verdict = reply.verdict
        refused = verdict.meaning is Meaning.RATE_LIMITED or (
            refused_means_limit and verdict.meaning is Meaning.TURNED_AWAY
        )
        if endpoint.own_limiter:
            # Its headers and refusals tell of another limit; the shared budget must not learn from them.
            self._settle(permit, LimitFeedback(refused=refused and verdict.limit is None))
        else:
            said = LimitFeedback(
                verdict.limit,
                verdict.remaining,
                refused,
                verdict.retry_after,
                route=f"{endpoint.method} {endpoint.template}",
                seconds=took if verdict.meaning is Meaning.ANSWERED else None,
                failed=response.is_server_error,
            )
            self._settle(permit, said)
        self._audit(endpoint, at, started, outcome=verdict.meaning.value, reply=reply)
        return reply

    def _read(self, endpoint: Endpoint, response: httpx.Response) -> _Reply:
        try:
            payload = response.json()
        except ValueError:
            payload = None
        verdict = classify(
            response.status_code,
            response.headers,
            payload,
            # Only this answer is read by it, and the shared budget answers with a query.
            near_limit=response.status_code == httpx.codes.INTERNAL_SERVER_ERROR and self._near_limit(),
            is_limited=self.dialect.is_limited is not False,
        )
        if verdict.meaning is Meaning.ANSWERED and not endpoint.own_limiter:
            self.dialect = replace(self.dialect, is_limited=verdict.limit is not None)
        if verdict.meaning is Meaning.ANSWERED or verdict.limit is not None:
            # The limiter stands behind the check of the token.
            self._token_worked = True
        if verdict.remaining is not None and not endpoint.own_limiter:
            self._low_at = self._monotonic() if verdict.remaining <= LOW_REMAINING else None
        return _Reply(verdict, response.status_code, payload)

    def _near_limit(self) -> bool:
        own = self._low_at is not None and self._monotonic() - self._low_at < WINDOW
        return own or self._limiter.near_limit()

    def _settle(self, permit: Permit, answer: LimitFeedback | None) -> None:
        try:
            self._limiter.settle(permit, answer)
        except Exception:
            # The call was made: losing its answer over the budget would make a duplicate of it.
            log.exception("The rate budget could not be told how a call ended.")

    def _audit(
        self, endpoint: Endpoint, at: datetime, started: float, *, outcome: str, reply: _Reply | None = None
    ) -> None:
        if self._on_call is None:
            return
        call = ApiCall(
            at=at,
            method=endpoint.method,
            route=endpoint.template,
            status=reply.status if reply else None,
            milliseconds=round((self._monotonic() - started) * 1000, 3),
            operation_id=self._operation,
            limit=reply.verdict.limit if reply else None,
            remaining=reply.verdict.remaining if reply else None,
            outcome=outcome,
        )
        try:
            self._on_call(call)
        except Exception:
            # As above: the answer matters more than its audit row.
            log.exception("A call to Krayin could not be written into the audit.")


def _may_be_its_limiter(endpoint: Endpoint, reply: _Reply) -> bool:
    # What the endpoint itself answers, a 500 too, mostly carries its own limiter's headers; the refusal of
    # that one none (Krayin 2.2.3), or those of the limiter around it (2.1.5).
    refused = (
        reply.status == httpx.codes.INTERNAL_SERVER_ERROR and reply.verdict.limit != endpoint.own_limiter
    )
    return refused or reply.verdict.meaning is Meaning.RATE_LIMITED


def _error(endpoint: Endpoint, reply: _Reply) -> KrayinError:
    where = endpoint.where(reply.status)
    if endpoint.overwrites and reply.status in _GATEWAY_GAVE_UP:
        return Unanswered(reply.verdict.reason, **where)
    return error_of(reply.verdict, repeatable=endpoint.repeatable, **where)


def _failure(endpoint: Endpoint, failure: Exception) -> KrayinError:
    where = endpoint.where()
    if isinstance(failure, _CANNOT_BE_SENT):
        return ConfigurationError("the request cannot be sent: check the API address", **where)
    if isinstance(failure, _NOTHING_SENT):
        return NotSent(describe_connection_failure(failure), **where)
    what = (
        "no answer within the time allowed"
        if isinstance(failure, httpx.TimeoutException)
        else "the connection broke before the answer was complete"
    )
    if endpoint.overwrites:
        return Unanswered(what, **where)
    if endpoint.repeatable:
        return ServerFailed(what, **where)
    return OutcomeUnknown(f"{what}: look the record up before repeating", **where)


def _unresolved(endpoint: Endpoint) -> KrayinError:
    where = endpoint.where(500)
    if endpoint.repeatable:
        return ServerFailed("Krayin turned the call away and did not say why", **where)
    message = "Krayin turned the call away or died on it: look the record up before repeating"
    return TurnedAway(message, **where)


def _worth_repeating(endpoint: Endpoint, error: BaseException) -> bool:
    if isinstance(error, NotSent):
        return True
    if not isinstance(error, ServerFailed) or isinstance(error, Unanswered):
        return False
    passing = endpoint.retries_server_errors or error.status != httpx.codes.INTERNAL_SERVER_ERROR
    return passing and (error.retry_after or 0.0) <= LONGEST_WAIT
