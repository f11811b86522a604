"""A look at Krayin before the stack starts: address and token."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stack.errors import UnreachableError

if TYPE_CHECKING:
    from stack.settings import RealSystems


def check(real: RealSystems) -> str:
    """Find the API behind the address and see that it takes the token; return one line that says so.

    Costs one call of the API user's budget.

    Raises:
        UnreachableError: nothing answers there, it is no Krayin, or the token is refused.
    """
    # Only real systems need these; importing them takes as long as the rest of `make logs`.
    from krayin.client import KrayinClient  # noqa: PLC0415
    from krayin.errors import AuthenticationFailed, KrayinError  # noqa: PLC0415
    from krayin.noop_limiter import NoopLimiter  # noqa: PLC0415
    from krayin.routes import find_api  # noqa: PLC0415

    try:
        base_url = find_api(real.krayin_api_url)
        token = real.krayin_api_token.get_secret_value()
        with KrayinClient(base_url, token, limiter=NoopLimiter(), retries=0) as client:
            user = client.whoami()
    except AuthenticationFailed as error:
        raise UnreachableError(
            f"Krayin at {real.krayin_api_url} does not accept the token:\n    {error.reason}\n"
            "Check KRAYIN_API_TOKEN."
        ) from None
    except KrayinError as error:
        raise UnreachableError(
            f"Krayin cannot be used at KRAYIN_API_URL={real.krayin_api_url}:\n    {error.reason}"
        ) from None
    return f"Krayin answers at {base_url}; the token belongs to {user.name} (user {user.id})."
