"""Users under /settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.krayin import listing, massive, php, records, resources, validation
from sandbox.krayin.answers import Answer, wrapped
from sandbox.krayin.errors import ServerError
from sandbox.krayin.options import Resource, free_name
from sandbox.krayin.records import USER

if TYPE_CHECKING:
    from sandbox.krayin.requests import Call
    from sandbox.krayin.server import Krayin
    from sandbox.krayin.validation import Rules


def _rules(krayin: Krayin, own: Any) -> Rules:
    rules: Rules = {
        "email": ["required", "email", free_name(krayin, "users", "email", own)],
        "name": ["required"],
        "password": ["nullable"],
        "confirm_password": ["nullable", "required_with:password", "same:password"],
        "role_id": ["required"],
    }
    return rules if own is None else {**rules, "status": ["required", "in:0,1"]}


class UserResource(Resource):
    """Users, whose view permission is written in a second step."""

    def index(self, krayin: Krayin, call: Call) -> Any:
        """List users; those that the caller may not see are left out where this Krayin looks."""
        own = _sees_only(krayin, call)
        return listing.listed(krayin, call, "users", lambda row: resources.user(krayin, row), only=own)

    def store(self, krayin: Krayin, call: Call) -> Any:
        """Create a user; without ``view_permission`` it fails after the user is there."""
        data = call.all
        validation.validate(krayin.clock, data, self.rules(krayin, None))
        data["status"] = 1 if data.get("status") is not None else 0
        record = records.create(krayin, USER, data)
        self._finish(krayin, record, data)
        return {"data": resources.user(krayin, record.attributes), "message": "User created successfully."}

    def update(self, krayin: Krayin, call: Call) -> Any:
        """Change a user."""
        data = call.all
        key = call.params["id"]
        validation.validate(krayin.clock, data, self.rules(krayin, key))
        if "password" not in data:
            message = 'Undefined array key "password"'
            raise ServerError(message)
        if not php.truthy(data["password"]):
            data.pop("password")
        record = records.find_or_fail(krayin, USER, key)
        records.update(krayin, record, data)
        self._finish(krayin, record, data)
        return {"data": resources.user(krayin, record.attributes), "message": "User updated successfully."}

    def _finish(self, krayin: Krayin, record: records.Record, data: dict[str, Any]) -> None:
        if "view_permission" not in data:
            message = 'Undefined array key "view_permission"'
            raise ServerError(message)
        table = krayin.database["user_groups"]
        for row in table.found("user_id", record.id):
            table.delete(row["id"])
        for _, number in php.items_of(data.get("groups") or []):
            table.insert({"group_id": number, "user_id": record.id})

    def destroy(self, krayin: Krayin, call: Call) -> Any:
        """Delete a user, but not oneself."""
        key = massive.typed_id(call)
        if key == call.user_id:
            return wrapped("User delete failed.")
        if len(krayin.database["users"].rows) == 1:
            return wrapped("At least one user is required.")
        record = records.find(krayin, USER, key)
        if record is None:
            raise massive.cloned_nothing()
        krayin.database["users"].delete(record.id)
        return wrapped("User deleted successfully.")

    def mass_update(self, krayin: Krayin, call: Call) -> Any:
        """Set the status of users by id, but not one's own."""
        others = [
            number for number in massive.indices(krayin, call, massive.UPDATE) if number != call.user_id
        ]
        for number in others:
            record = records.find(krayin, USER, number)
            if record is not None:
                records.update(krayin, record, {"status": call.input("value")})
        if not others:
            return wrapped("Selected users update failed.")
        return wrapped("Selected users updated successfully.")

    def mass_destroy(self, krayin: Krayin, call: Call) -> Any:
        """Delete users by id, but not oneself."""
        others = [number for number in massive.indices(krayin, call) if number != call.user_id]
        for number in others:
            krayin.database["users"].delete(number)
        if not others:
            return wrapped("Selected users delete failed.")
        return wrapped("Selected users deleted successfully.")


USERS = UserResource(USER, "User", resources.user, _rules)


def current(krayin: Krayin, call: Call) -> Any:
    """Show the user of the token."""
    assert call.user is not None
    return {"data": resources.user(krayin, call.user)}


def _sees_only(krayin: Krayin, call: Call) -> int | None:
    """Return the id of the one user whom the caller sees in the list, or None for all of them.

    Krayin 2.2 shows a restricted user those made by the users it may see, and itself; who made a user is
    written down from 2.2.6 on, and a group user without a group sees all.
    """
    assert call.user is not None
    view = call.user["view_permission"]
    ungrouped = not krayin.database["user_groups"].found("user_id", call.user["id"])
    if not krayin.version.users_by_view or view == "global" or (view == "group" and ungrouped):
        return None
    return int(call.user["id"])


def visible_owners(call: Call) -> set[int]:
    """Return ids of the owners whose leads the kanban shows to the user; empty for all.

    Raises:
        ServerError: for the view permission ``group``: Krayin asks for the user of the admin's session, and
            a request with a token has none.
    """
    assert call.user is not None
    if call.user["view_permission"] == "group":
        message = "Call to a member function groups() on null"
        raise ServerError(message, "Error", caught=False)
    return set() if call.user["view_permission"] == "global" else {call.user["id"]}


def update_account(krayin: Krayin, call: Call) -> Any:
    """Change the user of the token; the present password is needed."""
    assert call.user is not None
    data = call.all
    rules: Rules = {
        "name": ["required"],
        "email": ["email", free_name(krayin, "users", "email", call.user_id)],
        "password": ["nullable", "min:6", "confirmed"],
        "current_password": ["nullable", "required", "min:6"],
        "remove_image": ["sometimes", "boolean"],
    }
    validation.validate(krayin.clock, data, rules)
    if php.text_of(data["current_password"]) != call.user["password"]:
        return Answer(400, {"message": "Current password does not match."})
    if data.get("password") is None:
        data.pop("password", None)
    record = records.find_or_fail(krayin, USER, call.user_id)
    records.update(krayin, record, {key: data[key] for key in ("name", "email", "password") if key in data})
    return {
        "data": resources.user(krayin, record.attributes),
        "message": "Account changes saved successfully.",
    }
