from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
import yaml
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from reconciliation.errors import SettingsError
from reconciliation.settings.sync_files import (
    DEFAULT_FOLDER,
    BrokenSync,
    folder,
    load_sync,
    load_syncs,
    sync_named,
)
from reconciliation.settings.sync_settings import SyncSettings

from tests.reconciliation.samples import json_values

if TYPE_CHECKING:
    from pathlib import Path

GOOD = "name: leads\nchatwoot: {account_id: 1}\n"


def written(directory: Path, name: str, text: str | bytes) -> Path:
    file = directory / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def problems(directory: Path, text: str | bytes) -> tuple[str, ...]:
    file = written(directory, "a.yaml", text)
    with pytest.raises(SettingsError) as caught:
        load_sync(file)
    assert str(caught.value).startswith(f"{file}: ")
    return caught.value.problems


def test_a_good_file(tmp_path):
    assert load_sync(written(tmp_path, "a.yaml", GOOD)) == SyncSettings.model_validate(
        {"name": "leads", "chatwoot": {"account_id": 1}}
    )
    assert load_sync(written(tmp_path, "b.yaml", "\ufeff" + GOOD)).name == "leads"
    assert load_sync(written(tmp_path, "c.yaml", GOOD.replace("\n", "\r\n"))).name == "leads"


# --- every problem is told: key, what was read, what is allowed -------------------------------------


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("on_crm_edit: wipe", "on_crm_edit: must be 'keep' or 'overwrite'; read 'wipe'"),
        ("enabled: maybe", "enabled: must be true or false; read 'maybe'"),
        ("lead_owner: '5'", "lead_owner: must be a whole number, not in quotes; read '5'"),
        ("lead_owner: 0", "lead_owner: must be greater than 0; read 0"),
        ("krayin: https://crm.example.com", "krayin: must hold keys and values; read 'https://crm.example.com'"),
        ("krayin:", "krayin: must hold keys and values; read None"),
        ("krayin: {conn_id: ''}", "krayin.conn_id: must not be empty; read ''"),
        ("contacts: {where: {}}", "contacts.where: must hold one of active_since, attributes, channels, conversation_labels, created_since, email_domains, has_conversation, inboxes, labels, types, or be left out; read {}"),
        ("contacts: {where: {labels: {some: [a]}}}", "contacts.where.labels.some: unknown key; known here: all, any, none"),
        ("contacts: {where: {labels: {any: vip}}}", "contacts.where.labels.any: must be a list such as [1, 2]; read 'vip'"),
        ("contacts: {where: {types: [person]}}", "contacts.where.types.0: must be 'visitor', 'lead' or 'customer'; read 'person'"),
        ("contacts: {where: {email_domains: {any: [a@b.de]}}}", "contacts.where.email_domains.any.0: must be what follows the @ of an e-mail, such as 'example.com'; read 'a@b.de'"),
        ("contacts: {where: {attributes: {plan: {is: gold}}}}", "contacts.where.attributes.plan.is: unknown key; known here: at_least, at_most, before, equals, one_of, present, since"),
        ("contacts: {where: {attributes: {plan: {before: 90 days}}}}", "contacts.where.attributes.plan.before: must be a date such as 2026-01-31; read '90 days'"),
        ("contacts: {where: {created_since: yesterday}}", "contacts.where.created_since: must be an age of at most 100 years such as '90 days', or a date such as 2026-01-31; read 'yesterday'"),
        ("custom_fields: {person: [a]}", "custom_fields.person: must hold keys and values; read ['a']"),
        ("max_changes_without_approval: {share: 2}", "max_changes_without_approval.share: must be less than or equal to 1; read 2"),
        ("max_changes_without_approval: {share: x}", "max_changes_without_approval.share: must be a number; read 'x'"),
        ("1: x", "1: keys must be text; read 1"),
        ("reconcile: {report: {path: /srv}}", "reconcile.report.path: must be an address such as 's3://connection@bucket/folder' or 'file:///srv/reports'; read '/srv'"),
        ("reconcile: {report: {path: 's3://key:s3cret@bucket'}}", "reconcile.report.path: must name an Airflow connection before the @, not a key or password; read 's3://...@bucket'"),
        ("reconcile: {report: {with_customer_values: true}}", "reconcile.report: with_customer_values is about the files written to path: say where; read {'with_customer_values': True}"),
        ("schedule: often", "schedule: must be a cron expression of five fields such as '*/10 * * * *', a preset such as '@hourly', or null; read 'often'"),
        ("history: 90", "history: must be 'all', an age of at most 100 years such as '90 days', or a date such as 2026-01-31; read 90"),
        ("stage_on_first_response: 3", "stage_on_first_response set, but stage_progression_enabled is false: make it true"),
        ("custom_fields: {person: {a: x, b: x}}", "custom_fields: person: a and b both fill 'x': keep one of them; read {'person': {'a': 'x', 'b': 'x'}}"),
    ],
)  # fmt: skip
def test_a_wrong_value(tmp_path, line, problem):
    assert problems(tmp_path, f"{GOOD}{line}\n") == (problem,)


@pytest.mark.parametrize(
    "line", ["default_phone_region: NO", "default_phone_region: 5", "custom_fields: {lead: {a: 5}}"]
)
def test_what_yaml_takes_for_something_else_than_text(tmp_path, line):
    (problem,) = problems(tmp_path, f"{GOOD}{line}\n")
    assert (
        "must be text; put it in quotes if YAML takes it for something else, as it does 12 and NO" in problem
    )


@pytest.mark.parametrize(
    ("inboxes", "problem"),
    [
        ("5", "chatwoot.inboxes: must be a list such as [1, 2]; read 5"),
        ("[]", "chatwoot.inboxes: must hold at least one entry, or be left out; read ()"),
        ("[1, x]", "chatwoot.inboxes.1: must be a whole number, not in quotes; read 'x'"),
    ],
)
def test_wrong_inboxes(tmp_path, inboxes, problem):
    text = f"name: a\nchatwoot: {{account_id: 1, inboxes: {inboxes}}}\n"
    assert problems(tmp_path, text) == (problem,)


def test_an_unknown_key_is_told_with_those_there_are_and_never_its_value(tmp_path):
    (problem,) = problems(tmp_path, GOOD + "krayin: {api_token: secret-token}\n")
    assert (
        problem
        == "krayin.api_token: unknown key; known here: conn_id, loaders, max_requests_per_minute, requests_per_minute"
    )
    (problem,) = problems(tmp_path, GOOD + "chatwot: secret-token\n")
    assert problem.startswith(
        "chatwot: unknown key; known here: activity_link, chatwoot, confirmed_workflows"
    )
    assert "secret-token" not in problem
    (problem,) = problems(tmp_path, GOOD + "custom_fields: {contact: {}}\n")
    assert problem == "custom_fields.contact: unknown key; known here: lead, organization, person"


def test_all_problems_are_told_at_once(tmp_path):
    found = problems(tmp_path, "chatwoot: {conn: 1}\non_crm_edit: wipe\n")
    assert [problem.partition(":")[0] for problem in found] == [
        "name", "chatwoot.account_id", "chatwoot.conn", "on_crm_edit",
    ]  # fmt: skip
    assert found[0] == "name: is required and missing"


def test_a_long_value_is_shown_in_short(tmp_path):
    (problem,) = problems(tmp_path, GOOD + f"on_crm_edit: {'x' * 500}\n")
    assert len(problem) < 120


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "must hold keys and values, but holds None"),
        ("# nothing\n", "must hold keys and values, but holds None"),
        ("- name: a\n", "must hold keys and values, but holds [{'name': 'a'}]"),
        ("leads", "must hold keys and values, but holds 'leads'"),
        (GOOD + "\tx: 1", "is not valid YAML: line 3, column 1: found character '\\t' that cannot start any token"),
        (GOOD + "name: other", "is not valid YAML: line 1, column 1: the key 'name' stands here more than once"),
        (GOOD + "krayin: {conn_id: a, conn_id: b}", "is not valid YAML: line 3, column 10: the key 'conn_id' stands here more than once"),
        (GOOD + "history: 2026-02-30", "is not valid YAML: line 3, column 10: '2026-02-30' is no date or number there is"),
        (GOOD + "x: !!timestamp foo", "is not valid YAML: line 3, column 4: 'foo' is no date or number there is"),
        (GOOD + "x: !!bool foo", "is not valid YAML: line 3, column 4: 'foo' is no date or number there is"),
        (GOOD + "x: *a", "is not valid YAML: line 3, column 4: found undefined alias 'a'"),
        (GOOD + "x: \x01", "is not valid YAML: special characters are not allowed"),
        (GOOD + "x: " + "[" * 5000, "is not valid YAML: nested too deeply"),
        (GOOD + "---\nname: b", "is not valid YAML: line 3, column 1: but found another document"),
    ],
)  # fmt: skip
def test_what_is_no_mapping_of_yaml(tmp_path, text, problem):
    assert problems(tmp_path, text) == (problem,)


def test_python_objects_are_not_made(tmp_path):
    (problem,) = problems(tmp_path, GOOD + "x: !!python/object/apply:os.system ['true']\n")
    assert "could not determine a constructor for the tag" in problem


def test_what_cannot_be_read(tmp_path):
    assert "cannot be read" in problems(tmp_path, b"name: \xff\xfe")[0]
    (tmp_path / "folder.yaml").mkdir()
    for file in (tmp_path / "folder.yaml", tmp_path / "missing.yaml"):
        with pytest.raises(SettingsError, match="cannot be read"):
            load_sync(file)


@given(st.one_of(st.text(), json_values.map(lambda value: yaml.safe_dump({"name": "a", "history": value}))))
@examples(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None)
def test_no_file_whatever_it_holds_raises_anything_else(tmp_path, text):
    file = written(tmp_path, "a.yaml", text.encode("utf-8", "replace"))
    with suppress(SettingsError):
        assert load_sync(file).name


# --- the folder -------------------------------------------------------------------------------------


def test_the_folder_is_the_projects_or_the_one_named(monkeypatch, tmp_path):
    monkeypatch.delenv("KRAYIN_SYNC_SYNCS", raising=False)
    assert folder() == DEFAULT_FOLDER
    assert DEFAULT_FOLDER.parts[-2:] == ("include", "syncs")
    written(tmp_path, "a.yaml", GOOD)
    monkeypatch.setenv("KRAYIN_SYNC_SYNCS", str(tmp_path))
    assert [sync.name for sync in load_syncs()] == ["leads"]
    assert sync_named("leads").name == "leads"


def test_only_sync_files_are_read_in_order(tmp_path):
    for name, sync in (("b.yml", "b"), ("a.yaml", "a")):
        written(tmp_path, name, GOOD.replace("leads", sync))
    for name in (".hidden.yaml", ".#a.yaml", "a.yaml.sample", "a.yaml~", "notes.txt"):
        written(tmp_path, name, "broken: [")
    assert [sync.name for sync in load_syncs(tmp_path)] == ["a", "b"]
    assert load_syncs(tmp_path / "missing") == []


def test_a_broken_file_stops_only_itself(tmp_path):
    written(tmp_path, "good.yaml", GOOD)
    written(tmp_path, "Über uns.yaml", "name: [")
    written(tmp_path, "date.yaml", GOOD + "history: 2026-02-30")
    broken, bad, good = sorted(load_syncs(tmp_path), key=lambda one: one.name)
    assert (broken.name, bad.name, good.name) == ("_ber_uns", "date", "leads")
    assert isinstance(broken, BrokenSync)
    assert sync_named("leads", tmp_path) == good
    with pytest.raises(SettingsError, match="is not valid YAML"):
        sync_named("date", tmp_path)


def test_a_name_can_be_taken_once(tmp_path):
    written(tmp_path, "a.yaml", GOOD)
    written(tmp_path, "b.yaml", GOOD)
    first, second = load_syncs(tmp_path)
    assert isinstance(first, SyncSettings)
    assert isinstance(second, BrokenSync)
    assert second.error.problems == ("name: 'leads' is already taken by a.yaml",)


@pytest.mark.parametrize("broken", ["leads.yaml", "leads.yml", "zz.yaml", "0.yaml"])
def test_no_broken_file_takes_the_name_of_a_good_one(tmp_path, broken):
    written(tmp_path, "good.yaml", GOOD)
    written(tmp_path, broken, GOOD if broken == "zz.yaml" else "x")
    written(tmp_path, "leads copy.yaml", "x")
    written(tmp_path, "leads_copy.yaml", "x")
    syncs = load_syncs(tmp_path)
    names = [sync.name for sync in syncs]
    assert len(set(names)) == len(names) == 4
    assert sync_named("leads", tmp_path).name == "leads"


def test_a_sync_there_is_not(tmp_path):
    with pytest.raises(SettingsError, match=r"no sync is named 'x' \(there is: none\)"):
        sync_named("x", tmp_path)
    written(tmp_path, "a.yaml", GOOD)
    with pytest.raises(SettingsError, match=r"no sync is named 'x' \(there is: leads\)"):
        sync_named("x", tmp_path)
