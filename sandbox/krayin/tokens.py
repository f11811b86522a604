"""API tokens: who a request is, logging in and out."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from sandbox.krayin import php, resources, validation
from sandbox.krayin.answers import Answer
from sandbox.krayin.errors import UnauthenticatedError, ValidationError

if TYPE_CHECKING:
    from sandbox.krayin.requests import Call
    from sandbox.krayin.server import Krayin
    from sandbox.krayin.tables import Row


def authenticate(krayin: Krayin, call: Call) -> Row:
    """Return the user of the request's token; the ``id|`` prefix may be left out.

    Raises:
        UnauthenticatedError: no token, an unknown or an expired one.
    """
    token = call.bearer
    if not token:
        raise UnauthenticatedError
    number, bar, secret = token.partition("|")
    table = krayin.database["personal_access_tokens"]
    if bar:
        row = table.get(int(number)) if number.isdigit() and number.isascii() else None
        found = row if row is not None and row["token"] == secret else None
    else:
        found = next(iter(table.found("token", token)), None)
    if found is None:
        raise UnauthenticatedError
    if found["expires_at"] is not None and found["expires_at"] <= krayin.clock.now_text():
        raise UnauthenticatedError
    user = krayin.database["users"].get(found["user_id"])
    if user is None:
        raise UnauthenticatedError
    return user


def login(krayin: Krayin, call: Call) -> Any:
    """Give a new token; every other token of the user is deleted."""
    data = call.all
    validation.validate(
        krayin.clock,
        data,
        {"email": ["required", "email"], "password": ["required"], "device_name": ["required"]},
    )
    users = krayin.database["users"]
    wanted = users.columns["email"].matches(php.text_of(data["email"]))
    user = next((row for row in users if users.columns["email"].key(row["email"]) == wanted), None)
    if user is None or user["password"] is None or php.text_of(data["password"]) != user["password"]:
        raise ValidationError({"email": ["The provided credentials are incorrect."]})
    _forget(krayin, user["id"])
    secret = secrets.token_hex(20)
    now = krayin.clock.now_text()
    row = krayin.database["personal_access_tokens"].insert(
        {
            "user_id": user["id"],
            "name": php.text_of(data["device_name"]),
            "token": secret,
            "abilities": '["*"]',
            "created_at": now,
            "updated_at": now,
        }
    )
    return {
        "data": resources.user(krayin, user),
        "message": "Login successful.",
        "token": f"{row['id']}|{secret}",
    }


def logout(krayin: Krayin, call: Call) -> Any:
    """Delete every token of the user."""
    assert call.user is not None
    _forget(krayin, call.user["id"])
    return {"message": "Logout successful."}


def forgot_password(krayin: Krayin, call: Call) -> Any:
    """Pretend to mail a link for a new password; Krayin 2.1.5 does not translate the keys of its messages."""
    data = call.all
    validation.validate(krayin.clock, data, {"email": ["required", "email"]})
    known = any(row["email"] == data["email"] for row in krayin.database["users"])
    if known:
        krayin.mails.append(
            {"to": data["email"], "subject": "Reset password", "activity_id": None, "event": "password"}
        )
        return {"message": "admin::app.sessions.forgot-password.reset-link-sent"}
    return Answer(400, {"message": "admin::app.sessions.forgot-password.email-not-exist"})


def _forget(krayin: Krayin, user_id: int) -> None:
    table = krayin.database["personal_access_tokens"]
    for row in table.found("user_id", user_id):
        table.delete(row["id"])
