"""The folder of sync files, read so that one broken file stops only its own sync."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import yaml
from pydantic import ValidationError
from statements import EDITED

from reconciliation.errors import SettingsError
from reconciliation.settings.sync_settings import SyncSettings

if TYPE_CHECKING:
    from collections.abc import Hashable

    from pydantic_core import ErrorDetails

DEFAULT_FOLDER = EDITED / "syncs"


@dataclass(frozen=True, slots=True)
class BrokenSync:
    """A sync file that cannot be used; `name` is made from its file name."""

    name: str
    error: SettingsError


def folder() -> Path:
    """Return where the sync files lie: `KRAYIN_SYNC_SYNCS`, else `include/syncs` of the project.

    The project of an installed wheel is AIRFLOW_HOME.
    """
    return Path(os.environ.get("KRAYIN_SYNC_SYNCS", DEFAULT_FOLDER))


def load_sync(file: Path) -> SyncSettings:
    """Read one sync file.

    Raises:
        SettingsError: not readable, not YAML, an unknown key, a wrong type or value; every problem is named.
    """
    try:
        content = yaml.load(file.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 - a safe loader
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(file, [f"cannot be read: {error}"]) from error
    except yaml.YAMLError as error:
        raise SettingsError(file, [f"is not valid YAML: {_where(error)}"]) from error
    except RecursionError as error:
        raise SettingsError(file, ["is not valid YAML: nested too deeply"]) from error
    if not isinstance(content, dict):
        raise SettingsError(file, [f"must hold keys and values, but holds {_shown(content)}"])
    try:
        return SyncSettings.model_validate(content)
    except ValidationError as error:
        raise SettingsError(file, [_sentence(problem) for problem in error.errors()]) from error


def usable_syncs() -> list[SyncSettings]:
    """Return the syncs whose files can be used, by name; see `load_syncs`."""
    return [sync for sync in load_syncs() if not isinstance(sync, BrokenSync)]


def load_syncs(directory: Path | None = None) -> list[SyncSettings | BrokenSync]:
    """Read every `*.yaml` and `*.yml` file of `directory`, in order of name.

    A file that cannot be used, or that takes a name already taken, becomes a `BrokenSync`; all
    names are different, and a broken file never has that of a good one. Hidden files are left out.
    """
    directory = directory or folder()
    files = sorted(
        path
        for path in directory.glob("*")
        if path.suffix in {".yaml", ".yml"} and not path.name.startswith(".")
    )
    read: list[tuple[Path, SyncSettings | SettingsError]] = []
    names: dict[str, Path] = {}
    for file in files:
        try:
            sync = load_sync(file)
        except SettingsError as error:
            read.append((file, error))
            continue
        if sync.name in names:
            taken = f"name: {sync.name!r} is already taken by {names[sync.name].name}"
            read.append((file, SettingsError(file, [taken])))
        else:
            names[sync.name] = file
            read.append((file, sync))
    found: list[SyncSettings | BrokenSync] = []
    for file, outcome in read:
        if isinstance(outcome, SyncSettings):
            found.append(outcome)
            continue
        name = _safe_name(file)
        while name in names:
            name += "_"
        names[name] = file
        found.append(BrokenSync(name, outcome))
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


class _Loader(yaml.SafeLoader):
    """Safe YAML that tells where a value cannot be read, and in which no key may stand twice.

    The reader itself takes the last of two keys without a word, and lets a date such as
    2026-02-30 end in a bare ValueError.
    """

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:  # noqa: FBT001, FBT002 - as inherited
        try:
            return super().construct_object(node, deep)
        except (ValueError, LookupError, TypeError, AttributeError):
            raise yaml.constructor.ConstructorError(
                problem=f"{_shown(node.value)} is no date or number there is", problem_mark=node.start_mark
            ) from None

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002 - as inherited
        written = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and written.count(key.value) > 1:
                raise yaml.constructor.ConstructorError(
                    problem=f"the key {key.value!r} stands here more than once", problem_mark=key.start_mark
                )
        return super().construct_mapping(node, deep)


def _where(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "unreadable"
    return f"line {mark.line + 1}, column {mark.column + 1}: {problem}" if mark else str(problem)


def _shown(value: Any) -> str:
    # Of an address with a password only the rest is repeated.
    text = re.sub(r"://[^/\s]*:[^/\s]*@", "://...@", repr(value))
    return text if len(text) <= 60 else f"{text[:57]}..."


_ALLOWED = {
    "bool_type": "must be true or false",
    "dict_type": "must hold keys and values",
    "float_type": "must be a number",
    "int_type": "must be a whole number, not in quotes",
    "invalid_key": "keys must be text",
    "model_type": "must hold keys and values",
    "string_type": "must be text; put it in quotes if YAML takes it for something else, as it does 12 and NO",
    "string_too_short": "must not be empty",
    "too_short": "must hold at least one entry, or be left out",
    "tuple_type": "must be a list such as [1, 2]",
}


def _sentence(problem: ErrorDetails) -> str:
    location = [str(part) for part in problem["loc"] if part != "[key]"]
    key = ".".join(location)
    kind = problem["type"]
    match kind:
        case "extra_forbidden":
            return f"{key}: unknown key; {_known_keys(location[:-1])}"
        case "missing":
            return f"{key}: is required and missing"
        case "value_error":
            reason = str(problem["ctx"]["error"]) if "ctx" in problem else problem["msg"]
            return f"{key}: {reason}; read {_shown(problem['input'])}" if key else reason
        case _:
            said = _ALLOWED.get(kind) or problem["msg"].replace("Input should", "must")
            return f"{key}: {said}; read {_shown(problem['input'])}"


def model_within(annotation: Any) -> Any:
    """Return the model that a setting holds: itself, where it is given, or under names; None for none."""
    if hasattr(annotation, "model_fields"):
        return annotation
    return next((found for one in get_args(annotation) if (found := model_within(one)) is not None), None)


def _known_keys(parents: list[str]) -> str:
    model: Any = SyncSettings
    names = iter(parents)
    for parent in names:
        field = model.model_fields.get(parent)
        model = None if field is None else model_within(field.annotation)
        if field is None or model is None:
            return "remove it"
        if field.default is None and "dict[" in str(field.annotation):
            # The next one is a name that the user gave.
            next(names, None)
    return "known here: " + ", ".join(sorted(model.model_fields))
