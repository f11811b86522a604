"""Laravel's length-aware pagination: pages, links and meta."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.krayin import php
from sandbox.krayin.errors import QueryError, ServerError, type_error
from sandbox.krayin.validation import is_integer

if TYPE_CHECKING:
    from collections.abc import Callable

DEFAULT_SIZE = 10
# Eloquent's own page size, used when the limit is 0 or blank.
MODEL_SIZE = 15
EACH_SIDE = 3


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a list is shown.

    Attributes:
        size: rows a page.
        number: page shown, from 1.
        total: rows in all.
    """

    size: int
    number: int
    total: int

    @property
    def last(self) -> int:
        """Number of the last page, at least 1."""
        return max(-(-self.total // self.size), 1)

    @property
    def offset(self) -> int:
        """Rows before the page."""
        return (self.number - 1) * self.size


def page_of(limit: Any, number: Any, total: int, statement: str = "", product: str = "MariaDB") -> Page:
    """Read the page asked for.

    The statement is the SQL of the list before its limit, which APP_DEBUG=true shows in errors, as the
    database of that name reports them.

    Raises:
        ServerError: a limit that is no number, or a negative one where there are rows.
    """
    if limit is None:
        limit = DEFAULT_SIZE
    if not php.truthy(limit):
        limit = MODEL_SIZE
    if limit is True:
        limit = 1
    if php.is_array(limit) or not php.is_numeric(limit):
        if isinstance(limit, str) and php.NUMERIC.match(limit):
            message = "A non-numeric value encountered"
            raise ServerError(message)
        message = f"Unsupported operand types: int * {'array' if php.is_array(limit) else 'string'}"
        raise type_error(message)
    size = int(php.number_of(limit))
    if size < 0 and total:
        message = (
            "SQLSTATE[42000]: Syntax error or access violation: 1064 You have an error in your SQL syntax; "
            f"check the manual that corresponds to your {product} server version for the right syntax to use "
            f"near 'offset 0' at line 1 (Connection: mysql, SQL: {statement} offset 0)"
        )
        raise QueryError(message)
    asked = int(php.number_of(number)) if not php.is_array(number) and is_integer(number) else 1
    return Page(size or MODEL_SIZE, max(asked, 1), total)


def paginated(shown: list[Any], page: Page, address: str, *, numbered: bool) -> dict[str, Any]:
    """Return a list answer.

    Args:
        shown: the records of the page.
        page: which page it is.
        address: URL of the list without its query.
        numbered: whether the links say their page, as Laravel 12's do.
    """

    def link(number: int) -> str:
        return f"{address}?page={number}"

    previous = link(page.number - 1) if page.number > 1 else None
    following = link(page.number + 1) if page.number < page.last else None
    links = _links(page, link)
    if not numbered:
        links = [{key: value for key, value in entry.items() if key != "page"} for entry in links]
    first = page.offset + 1 if shown else None
    return {
        "data": shown,
        "links": {"first": link(1), "last": link(page.last), "prev": previous, "next": following},
        "meta": {
            "current_page": page.number,
            "from": first,
            "last_page": page.last,
            "links": links,
            "path": address,
            "per_page": page.size,
            "to": None if first is None else first + len(shown) - 1,
            "total": page.total,
        },
    }


def _links(page: Page, link: Callable[[int], str]) -> list[dict[str, Any]]:
    def entry(label: str, number: int | None, *, active: bool = False) -> dict[str, Any]:
        url = None if number is None else link(number)
        return {"url": url, "label": label, "page": number, "active": active}

    result = [entry("&laquo; Previous", page.number - 1 if page.number > 1 else None)]
    for index, block in enumerate(_window(page.number, page.last)):
        if index:
            result.append({"url": None, "label": "...", "active": False})
        result.extend(entry(str(number), number, active=number == page.number) for number in block)
    result.append(entry("Next &raquo;", page.number + 1 if page.number < page.last else None))
    return result


def _window(current: int, last: int) -> list[range]:
    """Return the page numbers shown, in blocks with dots between, as Laravel's UrlWindow does."""
    if last < EACH_SIDE * 2 + 8:
        return [range(1, last + 1)]
    window = EACH_SIDE + 4
    ending = range(last - 1, last + 1)
    if current <= window:
        return [range(1, window + EACH_SIDE + 1), ending]
    if current > last - window:
        return [range(1, 3), range(last - (window + EACH_SIDE - 1), last + 1)]
    return [range(1, 3), range(current - EACH_SIDE, current + EACH_SIDE + 1), ending]
