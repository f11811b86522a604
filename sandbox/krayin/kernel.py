"""One request's way through the application: route, token, throttle, handler, and errors made answers."""

from __future__ import annotations

import logging
import traceback
from typing import TYPE_CHECKING, Any

from sandbox.krayin import pages, routing, tokens
from sandbox.krayin.answers import HTML_VIEW, Answer, page, redirect
from sandbox.krayin.errors import (
    KrayinError,
    MethodNotAllowedError,
    QueryError,
    RecordNotFoundError,
    RouteNotFoundError,
    ServerError,
    TooLargeError,
    TooManyRequestsError,
    UnauthenticatedError,
    ValidationError,
)

if TYPE_CHECKING:
    from sandbox.krayin.limiter import Allowance
    from sandbox.krayin.requests import Call
    from sandbox.krayin.routing import Route
    from sandbox.krayin.server import Krayin

log = logging.getLogger(__name__)

MINUTE = 60
HOUR = 3_600
# What the REST API's own exception handler says, and Laravel for what that handler leaves to it.
REST_API_TEXTS = {
    401: "You are not authenticated. Please log in to continue.",
    404: "The requested resource could not be found.",
    500: "An unexpected error occurred on the server. Please try again later.",
}
SERVER_ERROR = "Server Error"
TITLES = {401: "401 Unauthorized", 404: "404 Page Not Found", 500: "500 Internal Server Error"}
HTTP_EXCEPTION = "Symfony\\Component\\HttpKernel\\Exception\\"


class Kernel:
    """Answers requests.

    Attributes:
        crashes: tracebacks of errors of the stand-in itself; there should be none.
    """

    def __init__(self, krayin: Krayin) -> None:
        self.krayin = krayin
        self.crashes: list[str] = []

    def handle(self, call: Call) -> Answer:
        """Answer one request; never raises."""
        try:
            answer = self._routed(call)
        except KrayinError as error:
            answer = self.render(error, call)
        except Exception:  # noqa: BLE001
            answer = self._crashed(call)
        if answer.content_type == HTML_VIEW:
            answer.content_type = self.krayin.version.html
        return answer

    def _crashed(self, call: Call) -> Answer:
        trace = traceback.format_exc()
        self.crashes.append(trace)
        log.error("%s %s crashed the stand-in\n%s", call.method, call.path, trace)
        return self.render(ServerError("The stand-in itself failed."), call)

    def _routed(self, call: Call) -> Answer:
        web = pages.answer(call)
        if web is not None:
            return web
        if call.method == "OPTIONS":
            return self._options(call)
        route, call.params = routing.match(call.method, call.path, self.krayin.version)
        if route.guarded:
            call.user = tokens.authenticate(self.krayin, call)
        key = f"user:{call.user_id}" if call.user is not None else f"ip:{call.headers.get('x-client', '')}"
        limit = self.krayin.settings.limit
        allowance = None if limit is None else self.krayin.limiter.admit(key, limit, MINUTE)
        answer = self._throttled(route, call)
        if allowance is not None:
            allowance.add_to(answer.headers)
        return answer

    def _options(self, call: Call) -> Answer:
        allowed = routing.allowed_methods(call.path, self.krayin.version)
        if not allowed:
            raise RouteNotFoundError(call.path)
        return Answer(200, b"", HTML_VIEW, {"Allow": ",".join(allowed)})

    def _throttled(self, route: Route, call: Call) -> Answer:
        """Run the route inside its own hourly throttle, when it has one."""
        inner: Allowance | None = None
        try:
            if route.hourly is not None:
                key = f"{route.template}:{call.user_id}"
                inner = self.krayin.limiter.admit(key, route.hourly, HOUR)
            answer = self._run(route, call)
        except TooManyRequestsError as error:
            return self.render(error, call)
        if inner is not None:
            inner.add_to(answer.headers)
        return answer

    def _run(self, route: Route, call: Call) -> Answer:
        try:
            result: Any = route.handler(self.krayin, call)
        except KrayinError as error:
            if isinstance(error, TooManyRequestsError):
                raise
            return self.render(error, call)
        except Exception:  # noqa: BLE001
            return self._crashed(call)
        return result if isinstance(result, Answer) else Answer(200, result)

    def render(self, error: KrayinError, call: Call) -> Answer:
        """Return the answer for an error, as APP_DEBUG and the Accept header have it."""
        if isinstance(error, ValidationError):
            if call.wants_json:
                return Answer(422, error.body())
            return redirect(call.headers.get("referer") or call.host)
        settings = self.krayin.settings
        if settings.handler == "rest-api" and (not settings.debug or isinstance(error, UnauthenticatedError)):
            return _by_rest_api(error, call)
        if settings.debug:
            return self._debug(error, call)
        status = 500
        if isinstance(error, RecordNotFoundError | RouteNotFoundError):
            status = 404
        if call.wants_json:
            return Answer(status, {"message": self.krayin.version.texts[status]})
        return page(TITLES[status], call.host, "Something went wrong.")

    def _debug(self, error: KrayinError, call: Call) -> Answer:
        status, exception, headers = _described(error)
        if isinstance(error, UnauthenticatedError):
            if call.wants_json:
                return Answer(401, {"message": self.krayin.version.texts[401]})
            status, exception = 500, HTTP_EXCEPTION + "RouteNotFoundException"
        message = str(getattr(error, "message", error.args[0] if error.args else ""))
        if call.wants_json:
            return Answer(status, {"message": message, "exception": exception}, headers=headers)
        return page(message or exception, call.host, exception, status)


def _by_rest_api(error: KrayinError, call: Call) -> Answer:
    """Return the answer of the REST API's own exception handler, which leaves errors of PHP to Laravel."""
    status = 500
    if isinstance(error, UnauthenticatedError):
        status = 401
    elif isinstance(error, RecordNotFoundError | RouteNotFoundError):
        status = 404
    taken = isinstance(error, QueryError) or not isinstance(error, ServerError)
    if status == 401 and not call.wants_json:
        # Laravel sends a browser to a login page that has no route.
        status, taken = 500, False
    if call.wants_json:
        return Answer(status, {"message": REST_API_TEXTS[status] if taken else SERVER_ERROR})
    return page(TITLES[status] if taken else SERVER_ERROR, call.host, "Something went wrong.", status)


def _described(error: KrayinError) -> tuple[int, str, dict[str, str]]:
    """Return status, PHP class and headers of an error under APP_DEBUG=true."""
    if isinstance(error, RecordNotFoundError | RouteNotFoundError):
        return 404, HTTP_EXCEPTION + "NotFoundHttpException", {}
    if isinstance(error, MethodNotAllowedError):
        return 405, HTTP_EXCEPTION + "MethodNotAllowedHttpException", {"Allow": ", ".join(error.allowed)}
    if isinstance(error, TooManyRequestsError):
        return 429, "Illuminate\\Http\\Exceptions\\ThrottleRequestsException", dict(error.headers)
    if isinstance(error, TooLargeError):
        return 413, "Illuminate\\Http\\Exceptions\\PostTooLargeException", {}
    if isinstance(error, ServerError):
        return 500, error.exception, {}
    return 500, "ErrorException", {}
