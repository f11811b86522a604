"""What lies outside the API's routes: the admin's pages and Laravel's leftover /api/user."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.krayin.answers import Answer, page, redirect
from sandbox.krayin.errors import ServerError

if TYPE_CHECKING:
    from sandbox.krayin.requests import Call


def answer(call: Call) -> Answer | None:
    """Answer a request for a page, or return None when the path belongs to the API.

    Raises:
        ServerError: /api/user asks for an authentication guard that is not defined.
    """
    if call.method in {"GET", "HEAD"}:
        if call.path in {"", "admin"}:
            return redirect(f"{call.host}/admin/login")
        if call.path == "admin/login":
            return page("Sign In", call.host, "Powered by Krayin, an open-source project by Webkul.")
        if call.path == "api/user":
            message = "Auth guard [api] is not defined."
            raise ServerError(message, "InvalidArgumentException")
    return None
