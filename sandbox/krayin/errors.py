"""What can go wrong inside the stand-in, named as PHP and Laravel name it."""

from __future__ import annotations

from typing import Any


class KrayinError(Exception):
    """Root of everything a handler may raise on purpose."""


class ServerError(KrayinError):
    r"""An error that Laravel turns into HTTP 500.

    Args:
        message: what APP_DEBUG=true would show.
        exception: the PHP class of the error.
        caught: whether PHP's ``catch (\Exception)`` would catch it (an ``Error`` is not caught).
    """

    def __init__(self, message: str, exception: str = "ErrorException", *, caught: bool = True) -> None:
        super().__init__(message)
        self.message = message
        self.exception = exception
        self.caught = caught


class QueryError(ServerError):
    """The database refused a statement."""

    def __init__(self, message: str) -> None:
        super().__init__(message, "Illuminate\\Database\\QueryException")


def type_error(message: str) -> ServerError:
    r"""Return the error PHP raises for a value of the wrong type; ``catch (\Exception)`` misses it."""
    return ServerError(message, "TypeError", caught=False)


class RecordNotFoundError(KrayinError):
    """``findOrFail`` found nothing: HTTP 404."""

    def __init__(self, model: str, key: object) -> None:
        super().__init__(model, key)
        self.message = f"No query results for model [{model}] {key}"


class RouteNotFoundError(KrayinError):
    """No route has this path: HTTP 404."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.message = f"The route {path} could not be found."


class MethodNotAllowedError(KrayinError):
    """The path exists, but not for this method."""

    def __init__(self, method: str, path: str, allowed: list[str]) -> None:
        super().__init__(method, path)
        self.allowed = allowed
        self.message = (
            f"The {method} method is not supported for route {path}. Supported methods: {', '.join(allowed)}."
        )


class UnauthenticatedError(KrayinError):
    """No, an unknown or an expired token."""


class TooManyRequestsError(KrayinError):
    """A throttle said no.

    Args:
        headers: the X-RateLimit and Retry-After headers, which only APP_DEBUG=true lets out.
    """

    def __init__(self, headers: dict[str, str]) -> None:
        super().__init__("Too Many Attempts.")
        self.headers = headers


class TooLargeError(KrayinError):
    """The body is larger than post_max_size."""


class ValidationError(KrayinError):
    """A form request refused its input.

    Args:
        errors: field -> messages, in the order Laravel reports them.
    """

    def __init__(self, errors: dict[str, list[str]]) -> None:
        super().__init__(errors)
        self.errors = errors

    @property
    def message(self) -> str:
        """The first message and how many more there are, as Laravel summarises them."""
        messages = [message for group in self.errors.values() for message in group]
        more = len(messages) - 1
        if not more:
            return messages[0]
        return f"{messages[0]} (and {more} more error{'s' if more > 1 else ''})"

    def body(self) -> dict[str, Any]:
        """Return the body of the 422 answer."""
        return {"message": self.message, "errors": self.errors}
