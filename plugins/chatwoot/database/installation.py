"""The identifier of a Chatwoot installation, as `installation_configs` stores it."""

from __future__ import annotations

import json
import re

_YAML_VALUE = re.compile(
    r"""^:?value:[ \t]*(?P<quote>['"]?)(?P<value>[^'"\s]+)(?P=quote)[ \t]*$""", re.MULTILINE
)


def identifier(serialized_value: str | None) -> str | None:
    """Return the identifier in `serialized_value` (JSON text), None if there is none.

    Chatwoot writes {"value": …}; older rows hold a JSON string with YAML in it.
    """
    try:
        stored = json.loads(serialized_value or "null")
    except ValueError:
        return None
    if isinstance(stored, dict):
        value = stored.get("value")
        return str(value) if value else None
    if isinstance(stored, str):
        found = _YAML_VALUE.search(stored)
        return found["value"] if found else None
    return None
