"""The API's routes, matched as Laravel matches them: first come, first served, then 405, then 404."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

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


def _routes() -> list[Route]:
    found: list[Route] = []

    def add(
        method: str, path: str, handler: Handler, *, guarded: bool = True, hourly: int | None = None
    ) -> None:
        template = f"{PREFIX}/{path}".rstrip("/")
        found.append(Route(method, template, _pattern(template), handler, guarded, hourly))

    add("POST", "login", tokens.login, guarded=False)
    add("POST", "forgot-password", tokens.forgot_password, guarded=False)
    add("DELETE", "logout", tokens.logout)
    add("GET", "get", users.current)
    add("PUT", "update", users.update_account)

    add("GET", "leads", leads.index)
    add("GET", "leads/{id:n}", leads.show)
    add("POST", "leads", leads.store)
    add("PUT", "leads/{id}", leads.update)
    add("DELETE", "leads/{id}", leads.destroy)
    add("POST", "leads/mass-update", leads.mass_update)
    add("POST", "leads/mass-destroy", leads.mass_destroy)
    add("PUT", "leads/attributes/edit/{id}", leads.update_attributes)
    add("PUT", "leads/stage/edit/{id}", leads.update_stage)
    add("PUT", "leads/product/{id}", leads.add_product)
    add("DELETE", "leads/product/{id}", leads.remove_product)
    add("GET", "leads/search", leads.find)
    add("GET", "leads/get/{pipeline_id?}", leads.kanban)
    add("POST", "leads/{id}/tags", leads.attach_tag)
    add("DELETE", "leads/{id}/tags", leads.detach_tag)
    add("GET", "leads/{id}/activities", leads.list_activities)

    add("GET", "activities", activities.index)
    add("GET", "activities/{id}", activities.show)
    add("POST", "activities", activities.store)
    add("PUT", "activities/{id}", activities.update)
    add("GET", "activities/file-download/{id?}", activities.download)
    add("DELETE", "activities/{id}", activities.destroy)
    add("POST", "activities/mass-update", activities.mass_update)
    add("POST", "activities/mass-destroy", activities.mass_destroy)

    add("GET", "contacts/persons", persons.index)
    add("GET", "contacts/persons/search", persons.find)
    add("GET", "contacts/persons/{id:n}", persons.show)
    add("POST", "contacts/persons", persons.store)
    add("PUT", "contacts/persons/{id}", persons.update)
    add("DELETE", "contacts/persons/{id}", persons.destroy, hourly=100)
    add("POST", "contacts/persons/mass-destroy", persons.mass_destroy)
    add("POST", "contacts/persons/{id}/tags", persons.attach_tag)
    add("DELETE", "contacts/persons/{id}/tags", persons.detach_tag)
    add("GET", "contacts/persons/{id}/activities", persons.list_activities)

    add("GET", "contacts/organizations", organizations.index)
    add("GET", "contacts/organizations/{id}", organizations.show)
    add("POST", "contacts/organizations", organizations.store)
    add("PUT", "contacts/organizations/{id}", organizations.update)
    add("DELETE", "contacts/organizations/{id}", organizations.destroy)
    add("POST", "contacts/organizations/mass-destroy", organizations.mass_destroy)

    add("GET", "products", products.index)
    add("POST", "products", products.store)
    add("GET", "products/{id:n}", products.show)
    add("PUT", "products/{id}", products.update)
    add("GET", "products/search", products.find)
    add("DELETE", "products/{id}", products.destroy)
    add("POST", "products/mass-destroy", products.mass_destroy)

    for path, resource, numeric in (
        ("groups", options.GROUPS, True),
        ("roles", options.ROLES, True),
        ("users", users.USERS, True),
        ("pipelines", options.PIPELINES, False),
        ("sources", options.SOURCES, False),
        ("types", options.TYPES, False),
        ("workflows", options.WORKFLOWS, False),
        ("tags", options.TAGS, True),
    ):
        base = f"settings/{path}"
        add("GET", base, resource.index)
        add("POST", base, resource.store)
        add("GET", f"{base}/{{id:n}}" if numeric else f"{base}/{{id}}", resource.show)
        add("PUT", f"{base}/{{id}}", resource.update)
        add("DELETE", f"{base}/{{id}}", resource.destroy)
        if path in {"users", "tags"}:
            add("GET", f"{base}/search", resource.find)
            add("POST", f"{base}/mass-destroy", resource.mass_destroy)
    add("POST", "settings/users/mass-update", users.USERS.mass_update)

    add("GET", "settings/attributes", fields.index)
    add("POST", "settings/attributes", fields.store)
    add("GET", "settings/attributes/{id}", fields.show)
    add("PUT", "settings/attributes/{id}", fields.update)
    add("DELETE", "settings/attributes/{id}", fields.destroy)
    add("POST", "settings/attributes/mass-destroy", fields.mass_destroy)
    add("GET", "settings/attributes/lookup/{lookup?}", fields.lookup)
    add("GET", "settings/attributes/lookup-entity/{lookup?}", fields.lookup_entity)
    return found


ROUTES = tuple(_routes())


def match(method: str, path: str) -> tuple[Route, dict[str, str]]:
    """Return the route of a request and what it takes from the path.

    Raises:
        MethodNotAllowedError: only other methods have this path.
        RouteNotFoundError: no route has it.
    """
    wanted = "GET" if method == "HEAD" else method
    for route in ROUTES:
        found = route.pattern.match(path) if route.method == wanted else None
        if found:
            return route, {key: value for key, value in found.groupdict().items() if value is not None}
    allowed = allowed_methods(path)
    if allowed:
        raise MethodNotAllowedError(method, path, allowed)
    raise RouteNotFoundError(path)


def allowed_methods(path: str) -> list[str]:
    """Return the methods that have a path."""
    present = {route.method for route in ROUTES if route.pattern.match(path)}
    if "GET" in present:
        present.add("HEAD")
    return [method for method in METHODS if method in present]
