"""How values are written so that Krayin's searches find them and nothing else."""

from __future__ import annotations

from itertools import zip_longest
from json import dumps
from typing import TYPE_CHECKING
from urllib.parse import quote

from krayin.text import clean_text

if TYPE_CHECKING:
    from collections.abc import Sequence

SEARCH_ROWS = 50
"""Rows of one search; without a limit Krayin answers ten."""

UNSEARCHABLE = frozenset(":;")
"""With one of these in the value Krayin's search ignores the filter and answers its first rows."""


def is_searchable(value: str) -> bool:
    """Return whether the search route can look for `value`: not empty, no colon, no semicolon."""
    return bool(value.strip()) and not UNSEARCHABLE & set(value)


def like_escaped(text: str) -> str:
    r"""Return `text` with `\`, `%` and `_` escaped, so that LIKE takes them literally."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def json_column_patterns(value: str) -> tuple[str, ...]:
    r"""Return the LIKE patterns that match `value` as one whole string inside a JSON column.

    The double quotes make it the whole value. MariaDB keeps the text PHP wrote (non-ASCII as
    `\u00fc`, a slash as `\/`), MySQL its own normal form (both plain), so there are two patterns
    where these differ.
    """
    as_php_writes = dumps(value).replace("/", "\\/")
    as_mysql_shows = dumps(value, ensure_ascii=False)
    return tuple(dict.fromkeys(like_escaped(form) for form in (as_php_writes, as_mysql_shows)))


def lookup_query(name: str) -> str:
    """Return the `query` of a lookup route for a name: Krayin decodes it once more than usual."""
    return quote(like_escaped(name), safe="")


def spellings(emails: Sequence[str]) -> tuple[str, ...]:
    """Return each address as given and in lower case, because Krayin's search heeds case."""
    cleaned = [clean_text(address).strip() for address in emails]
    return tuple(dict.fromkeys(one for address in cleaned for one in (address, address.lower()) if one))


def person_searches(emails: Sequence[str], phones: Sequence[str]) -> list[list[tuple[str, str]]]:
    """Return the query strings of the searches for those of these e-mails or phones that can be searched for.

    One search takes one e-mail and one phone, either of which may match, in any position.
    """
    return [
        _search([("emails", email), ("contact_numbers", phone)], SEARCH_ROWS)
        for email, phone in zip_longest(_patterns(emails), _patterns(phones), fillvalue="")
    ]


def mysql_search() -> list[tuple[str, str]]:
    """Return the search that finds any person with an e-mail on MySQL, and nobody on MariaDB.

    MySQL writes a blank behind each comma of a JSON column's text, MariaDB keeps what PHP wrote.
    """
    return _search([("emails", '", "')], 1)


def _patterns(values: Sequence[str]) -> list[str]:
    return [pattern for value in values if is_searchable(value) for pattern in json_column_patterns(value)]


def _search(terms: Sequence[tuple[str, str]], rows: int) -> list[tuple[str, str]]:
    given = [(column, value) for column, value in terms if value]
    return [
        ("search", ";".join(f"{column}:{value}" for column, value in given)),
        ("searchFields", ";".join(f"{column}:like" for column, _ in given)),
        ("limit", str(rows)),
    ]
