"""The API's routes, matched as Laravel matches them: first come, first served, then 405, then 404."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from sandbox.krayin import (
    activities,
    fields,
    leads,
    options,
    organizations,
    persons,
    products,
    tokens,
    users,
)
from sandbox.krayin.errors import MethodNotAllowedError, RouteNotFoundError
from sandbox.krayin.requests import Call
from sandbox.krayin.server import Krayin

if TYPE_CHECKING:
    from sandbox.krayin.versions import Version

Handler = Callable[[Krayin, Call], Any]
PREFIX = "api/v1"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


@dataclass(frozen=True, slots=True)
class Route:
    """One route.

    Attributes:
        template: path with ``{names}``; ``{id:n}`` takes digits only, ``{id?}`` may be missing.
        guarded: a token is needed.
        hourly: this many calls an hour more for each user, beside the minute's limit.
    """

    method: str
    template: str
    pattern: re.Pattern[str]
    handler: Handler
    guarded: bool = True
    hourly: int | None = None


def _pattern(template: str) -> re.Pattern[str]:
    text = re.sub(r"/\{(\w+)\?\}", r"(?:/(?P<\1>[^/]+))?", template)
    text = re.sub(r"\{(\w+):n\}", r"(?P<\1>[0-9]+)", text)
    text = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", text)
    return re.compile(text + r"\Z")


_TABLE: tuple[tuple[str, str, Handler], ...] = (
    ("POST", "login", tokens.login),
    ("POST", "forgot-password", tokens.forgot_password),
    ("DELETE", "logout", tokens.logout),
    ("GET", "get", users.current),
    ("PUT", "update", users.update_account),
    ("GET", "leads", leads.index),
    ("GET", "leads/{id:n}", leads.show),
    ("POST", "leads", leads.store),
    ("PUT", "leads/{id}", leads.update),
    ("DELETE", "leads/{id}", leads.destroy),
    ("POST", "leads/mass-update", leads.mass_update),
    ("POST", "leads/mass-destroy", leads.mass_destroy),
    ("PUT", "leads/attributes/edit/{id}", leads.update_attributes),
    ("PUT", "leads/stage/edit/{id}", leads.update_stage),
    ("PUT", "leads/product/{id}", leads.add_product),
    ("DELETE", "leads/product/{id}", leads.remove_product),
    ("GET", "leads/search", leads.find),
    ("GET", "leads/get/{pipeline_id?}", leads.kanban),
    ("POST", "leads/{id}/tags", leads.attach_tag),
    ("DELETE", "leads/{id}/tags", leads.detach_tag),
    ("GET", "leads/{id}/activities", leads.list_activities),
    ("GET", "activities", activities.index),
    ("GET", "activities/{id}", activities.show),
    ("POST", "activities", activities.store),
    ("PUT", "activities/{id}", activities.update),
    ("GET", "activities/file-download/{id?}", activities.download),
    ("DELETE", "activities/{id}", activities.destroy),
    ("POST", "activities/mass-update", activities.mass_update),
    ("POST", "activities/mass-destroy", activities.mass_destroy),
    ("GET", "contacts/persons", persons.index),
    ("GET", "contacts/persons/search", persons.find),
    ("GET", "contacts/persons/{id:n}", persons.show),
    ("POST", "contacts/persons", persons.store),
    ("PUT", "contacts/persons/{id}", persons.update),
    ("DELETE", "contacts/persons/{id}", persons.destroy),
    ("POST", "contacts/persons/mass-destroy", persons.mass_destroy),
    ("POST", "contacts/persons/{id}/tags", persons.attach_tag),
    ("DELETE", "contacts/persons/{id}/tags", persons.detach_tag),
    ("GET", "contacts/persons/{id}/activities", persons.list_activities),
    ("GET", "contacts/organizations", organizations.index),
    ("GET", "contacts/organizations/{id}", organizations.show),
    ("POST", "contacts/organizations", organizations.store),
    ("PUT", "contacts/organizations/{id}", organizations.update),
    ("DELETE", "contacts/organizations/{id}", organizations.destroy),
    ("POST", "contacts/organizations/mass-destroy", organizations.mass_destroy),
    ("GET", "products", products.index),
    ("POST", "products", products.store),
    ("GET", "products/{id:n}", products.show),
    ("PUT", "products/{id}", products.update),
    ("GET", "products/search", products.find),
    ("DELETE", "products/{id}", products.destroy),
    ("POST", "products/mass-destroy", products.mass_destroy),
    ("POST", "settings/users/mass-update", users.USERS.mass_update),
    ("GET", "settings/attributes", fields.index),
    ("POST", "settings/attributes", fields.store),
    ("GET", "settings/attributes/{id}", fields.show),
    ("PUT", "settings/attributes/{id}", fields.update),
    ("DELETE", "settings/attributes/{id}", fields.destroy),
    ("POST", "settings/attributes/mass-destroy", fields.mass_destroy),
    ("GET", "settings/attributes/download", fields.download),
    ("GET", "settings/attributes/lookup/{lookup?}", fields.lookup),
    ("GET", "settings/attributes/lookup-entity/{lookup?}", fields.lookup_entity),
)
_OPEN = frozenset({"login", "forgot-password"})
_HOURLY = {("DELETE", "contacts/persons/{id}"): 100}
# path under /settings, its endpoints, whether showing one takes digits only
_SETTINGS: tuple[tuple[str, options.Resource, bool], ...] = (
    ("groups", options.GROUPS, True),
    ("roles", options.ROLES, True),
    ("users", users.USERS, True),
    ("pipelines", options.PIPELINES, False),
    ("sources", options.SOURCES, False),
    ("types", options.TYPES, False),
    ("workflows", options.WORKFLOWS, False),
    ("tags", options.TAGS, True),
)


def _settings_table() -> list[tuple[str, str, Handler]]:
    found: list[tuple[str, str, Handler]] = []
    for path, resource, numeric in _SETTINGS:
        base = f"settings/{path}"
        found += [
            ("GET", base, resource.index),
            ("POST", base, resource.store),
            ("GET", f"{base}/{{id:n}}" if numeric else f"{base}/{{id}}", resource.show),
            ("PUT", f"{base}/{{id}}", resource.update),
            ("DELETE", f"{base}/{{id}}", resource.destroy),
        ]
        if path in {"users", "tags"}:
            found += [
                ("GET", f"{base}/search", resource.find),
                ("POST", f"{base}/mass-destroy", resource.mass_destroy),
            ]
    return found


@cache
def routes(version: Version) -> tuple[Route, ...]:
    """Return the routes of a version, in the order in which they are tried."""
    found: list[Route] = []
    for method, path, handler in (*_TABLE, *_settings_table()):
        template = f"{PREFIX}/{path}"
        if version.numeric_attribute_ids and (method, path) == ("GET", "settings/attributes/{id}"):
            template = template.replace("{id}", "{id:n}")
        hourly = _HOURLY.get((method, path))
        found.append(Route(method, template, _pattern(template), handler, path not in _OPEN, hourly))
    return tuple(found)


def match(method: str, path: str, version: Version) -> tuple[Route, dict[str, str]]:
    """Return the route of a request and what it takes from the path.

    Raises:
        MethodNotAllowedError: only other methods have this path.
        RouteNotFoundError: no route has it.
    """
    wanted = "GET" if method == "HEAD" else method
    for route in routes(version):
        found = route.pattern.match(path) if route.method == wanted else None
        if found:
            return route, {key: value for key, value in found.groupdict().items() if value is not None}
    allowed = allowed_methods(path, version)
    if allowed:
        raise MethodNotAllowedError(method, path, allowed)
    raise RouteNotFoundError(path)


def allowed_methods(path: str, version: Version) -> list[str]:
    """Return the methods that have a path."""
    present = {route.method for route in routes(version) if route.pattern.match(path)}
    if "GET" in present:
        present.add("HEAD")
    return [method for method in METHODS if method in present]
