"""A look at Krayin before the stack starts: address and token."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stack.errors import UnreachableError

if TYPE_CHECKING:
    from stack.settings import RealSystems


def check(real: RealSystems) -> str:
    """Find the API behind the address and see that it takes the token; return one line that says so.

    Raises:
        UnreachableError: nothing answers there, it is no Krayin, or the token is refused.
    """
    from krayin.errors import KrayinError  # noqa: PLC0415 - only needed with real systems
    from krayin.routes import discover  # noqa: PLC0415

    try:
        found = discover(real.krayin_api_url, real.krayin_api_token.get_secret_value())
    except KrayinError as error:
        raise UnreachableError(
            f"Krayin cannot be used with KRAYIN_API_URL={real.krayin_api_url}:\n    {error}\n"
            "Check KRAYIN_API_URL and KRAYIN_API_TOKEN."
        ) from None
    return str(found)
