from __future__ import annotations

import os
from pathlib import Path

import yaml
from pydantic import BaseModel
from reconciliation.settings.sync_files import load_sync
from reconciliation.settings.sync_settings import SyncSettings

from tests.reconciliation.settings.settings_reference import render

ROOT = Path(__file__).resolve().parents[3]
SAMPLE = ROOT / "include" / "syncs" / "example.yaml.sample"


def keys_of(model, prefix=""):
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from keys_of(kind, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def test_the_written_reference_is_the_rendered_one():
    document = ROOT / "docs" / "settings.md"
    if os.environ.get("WRITE_REFERENCE"):
        document.write_text(render(), encoding="utf-8")
    assert document.read_text(encoding="utf-8") == render(), "make reference writes it anew"


def test_every_key_stands_in_it_with_a_meaning():
    rows = {}
    for line in render().splitlines():
        if line.startswith("| `"):
            key, default, meaning = line.removeprefix("| ").removesuffix(" |").split(" | ")
            rows[key.strip("`")] = default, meaning
    # What is within a rule, or under a name of one's own, may be left out as a whole.
    assert [key for key in rows if ".where." not in key and "<name>" not in key] == list(
        keys_of(SyncSettings)
    )
    assert "fields.lead.<name>.policy" in rows
    assert "contacts.where.attributes.<name>.at_least" in rows
    assert all(len(meaning) > 10 for _, meaning in rows.values())
    assert rows["chatwoot.account_id"][0] == "required"
    assert rows["on_crm_edit"][0] == "`keep`"
    assert rows["on_crm_edit"][1].endswith("(`keep` or `overwrite`)")
    assert rows["schedule"][0] == "`*/10 * * * *`"


def test_the_example_loads_and_shows_every_key_with_its_default():
    sync = load_sync(SAMPLE)
    assert sync == SyncSettings.model_validate({"name": "example", "chatwoot": {"account_id": 1}})
    shown = yaml.safe_load(SAMPLE.read_text(encoding="utf-8"))
    assert set(_leaves(shown)) == set(keys_of(SyncSettings))


def test_every_key_of_the_example_has_a_comment():
    text = SAMPLE.read_text(encoding="utf-8")
    for block in text.split("\n\n"):
        assert "#" in block


def _leaves(shown, above=""):
    for key, value in shown.items():
        if value and isinstance(value, dict):
            yield from _leaves(value, f"{above}{key}.")
        else:
            yield f"{above}{key}"
