"""The folder of sync files, read so that one broken file stops only its own sync."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import ValidationError

from reconciliation.errors import SettingsError
from reconciliation.settings import SyncSettings

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

DEFAULT_FOLDER = Path(__file__).resolve().parents[2] / "include" / "syncs"


@dataclass(frozen=True, slots=True)
class BrokenSync:
    """A sync file that cannot be used; `name` is made from its file name."""

    name: str
    error: SettingsError


def folder() -> Path:
    """Return where the sync files lie: `KRAYIN_SYNC_SYNCS`, else `include/syncs` of the project."""
    return Path(os.environ.get("KRAYIN_SYNC_SYNCS", DEFAULT_FOLDER))


def load_sync(file: Path) -> SyncSettings:
    """Read one sync file.

    Raises:
        SettingsError: not readable, not YAML, an unknown key, a wrong type or value; every problem is named.
    """
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(file, [f"cannot be read: {error}"]) from error
    except yaml.YAMLError as error:
        raise SettingsError(file, [f"is not valid YAML: {_where(error)}"]) from error
    if not isinstance(content, dict):
        raise SettingsError(file, [f"must hold keys and values, but holds {_shown(content)}"])
    try:
        return SyncSettings.model_validate(content)
    except ValidationError as error:
        raise SettingsError(file, [_sentence(problem) for problem in error.errors()]) from error


def load_syncs(directory: Path | None = None) -> list[SyncSettings | BrokenSync]:
    """Read every `*.yaml` and `*.yml` file of `directory`, in order of name.

    A file that cannot be used, or that takes a name already taken, becomes a `BrokenSync`.
    """
    directory = directory or folder()
    found: list[SyncSettings | BrokenSync] = []
    names: dict[str, Path] = {}
    files = sorted(path for path in directory.glob("*") if path.suffix in {".yaml", ".yml"})
    for file in files:
        try:
            sync = load_sync(file)
        except SettingsError as error:
            found.append(BrokenSync(_safe_name(file), error))
            continue
        if sync.name in names:
            taken = f"name: {sync.name!r} is already taken by {names[sync.name].name}"
            found.append(BrokenSync(_safe_name(file), SettingsError(file, [taken])))
        else:
            names[sync.name] = file
            found.append(sync)
    return found


def sync_named(name: str, directory: Path | None = None) -> SyncSettings:
    """Return the sync called `name`.

    Raises:
        SettingsError: there is none, or its file is broken.
    """
    directory = directory or folder()
    syncs = load_syncs(directory)
    for sync in syncs:
        if sync.name == name:
            if isinstance(sync, BrokenSync):
                raise sync.error
            return sync
    known = ", ".join(sync.name for sync in syncs) or "none"
    raise SettingsError(directory, [f"no sync is named {name!r} (there is: {known})"])


def _safe_name(file: Path) -> str:
    # It becomes part of a DAG id.
    return re.sub(r"[^A-Za-z0-9_-]", "_", file.stem)


def _where(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or "unreadable"
    return f"line {mark.line + 1}, column {mark.column + 1}: {problem}" if mark else str(problem)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _sentence(problem: ErrorDetails) -> str:
    location = [
        str(part) for part in problem["loc"] if not str(part).startswith(("function-", "constrained-"))
    ]
    key = ".".join(location)
    match problem["type"]:
        case "extra_forbidden":
            return f"{key}: unknown key; {_known_keys(location[:-1])}"
        case "missing":
            return f"{key}: is required and missing"
        case "value_error":
            reason = str(problem["ctx"]["error"]) if "ctx" in problem else problem["msg"]
            return f"{key}: {reason}; read {_shown(problem['input'])}" if key else reason
        case _:
            return f"{key}: {problem['msg'].lower()}; read {_shown(problem['input'])}"


def _known_keys(parents: list[str]) -> str:
    model: Any = SyncSettings
    for parent in parents:
        field = model.model_fields.get(parent)
        model = field.annotation if field is not None else None
        if not hasattr(model, "model_fields"):
            return "remove it"
    return "known here: " + ", ".join(sorted(model.model_fields))
