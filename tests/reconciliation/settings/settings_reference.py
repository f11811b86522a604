"""Renders `docs/settings.md` from the settings model; `make reference` writes it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from pydantic import BaseModel
from reconciliation.settings.sync_files import model_within
from reconciliation.settings.sync_settings import SyncSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic.fields import FieldInfo

_HEAD = """\
# Settings of a sync

Written by `make reference` from the model that checks the files; a test fails when the two differ.

Each file `include/syncs/<name>.yaml` is one sync: one Chatwoot account, or some of its inboxes, into one
Krayin. `include/syncs/example.yaml.sample` shows every key with its default. Airflow picks up changes when it
next reads its DAG files; you do not restart anything. `KRAYIN_SYNC_SYNCS` names another folder.

A mistake in a file stops only the sync of that file. Its DAG, `make up` and `krayin_setup` then show the
file, the key, what was read and what is allowed. Ids of Krayin (pipelines, stages, sources, types, users,
attribute codes) are checked against your Krayin before anything is sent.

Addresses, tokens and passwords belong in Airflow connections, never in these files.

| key | default | meaning |
|---|---|---|
"""


def render() -> str:
    """Return the Markdown of `docs/settings.md`."""
    rows = (
        f"| `{key}` | {_default(field)} | {_meaning(field)} |" for key, field in _fields(SyncSettings, "")
    )
    return _HEAD + "\n".join(rows) + "\n"


def _fields(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, FieldInfo]]:
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _fields(kind, f"{prefix}{name}.")
            continue
        yield f"{prefix}{name}", field
        inner = model_within(kind)
        if inner is not None:
            of_each = "<name>." if "dict[" in str(kind) else ""
            yield from _fields(inner, f"{prefix}{name}.{of_each}")


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    default = field.get_default(call_default_factory=True, validated_data={})
    if default is None:
        return "none"
    return f"`{default if isinstance(default, str) else json.dumps(default)}`"


def _meaning(field: FieldInfo) -> str:
    allowed = " or ".join(f"`{choice}`" for choice in _choices(field.annotation))
    return " ".join(f"{field.description} {f'({allowed})' if allowed else ''}".split())


def _choices(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) is Literal else ()
