"""Texts of one's own: what they may say, and that they can neither run away nor reach anything."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from chatwoot.records import Attachment
from krayin.text import CUT_MARK, TEXT_BYTES
from reconciliation.model.activity import map_conversation, map_message
from reconciliation.model.contact import MappingRules, map_contact
from reconciliation.model.desired_activity import DesiredActivity
from reconciliation.model.desired_contact import DesiredContact
from reconciliation.model.field_source import FilledField
from reconciliation.model.text_template import (
    FILTERS,
    LONGEST_SOURCE,
    LONGEST_TEXT,
    NAMES,
    READY,
    text_template,
)

from tests.reconciliation.model.test_comment import MESSAGE, RULES, SENT, TALK
from tests.reconciliation.samples import contact

GUIDE = Path(__file__).resolve().parents[3] / "docs" / "guides" / "templates.md"


def made(kind: str, record: Any = None, **templates: str) -> DesiredActivity:
    rules = replace(
        RULES,
        templates={f"{kind}_{one}": text_template(f"{kind}_{one}", text) for one, text in templates.items()},
    )
    if kind == "message":
        found = map_message(record or SENT, rules, mapped=False)
    else:
        found = map_conversation(record or TALK, rules, mapped=False)
    assert isinstance(found, DesiredActivity)
    return found


def test_a_message_in_words_of_ones_own() -> None:
    found = made(
        "message",
        title="{{ author|upper }}: {{ text|truncate(4) }}",
        comment="{{ role }} <b> by {{ channel }} ({{ inbox }}), {{ time }}\n{{ text }}\n{{ link }}{% for one in files %}\n{{ one }}{% endfor %}",
    )
    address = "https://chat.example.com/app/accounts/1/conversations/12"
    assert found.title == "ADA BRANDT: Hel…"
    assert found.comment.split("<br>") == [
        "agent &lt;b&gt; by Website (Website), 2026-05-05 12:00 UTC",
        "Hello",
        f'<a href="{address}" target="_blank">{address}</a>',
    ]


def test_a_conversation_in_words_of_ones_own() -> None:
    found = made(
        "conversation",
        title="{{ attributes.order }}{{ attributes['no such'] }} {{ labels|join('/') }}{% if team == 'sales' %}!{% endif %}",
        comment="{% for one in messages %}{{ one.time }} {{ one.author }}: {{ one.text }}{% else %}-{% endfor %} {{ labels }}"
        "{% for one in attribute_list %}, {{ one.name }}={{ one.value }}{% endfor %}",
    )
    assert found.title == "A-1 bug/vip!"
    assert found.comment == "2026-05-05 12:00 UTC Ada Brandt: Hello bug, vip, order=A-1, paid=yes, tags=x, 2"


@pytest.mark.parametrize(("kind", "record"), [("message", SENT), ("conversation", TALK)])
def test_the_ready_text_is_what_there_is_without_a_template(kind: str, record: Any) -> None:
    plain, same, blank = (
        made(kind),
        made(kind, title="{{ ready }}", comment="{{ ready }}"),
        made(kind, title=" ", comment="\n"),
    )
    assert (same.title, same.comment) == (blank.title, blank.comment) == (plain.title, plain.comment)
    assert record is not None
    # Of another template all are sent again.
    assert plain.hash() != same.hash()


def test_another_title_does_not_hide_what_an_earlier_integration_made() -> None:
    assert made("message", title="{{ author }}").earlier_title == "Message from Ada Brandt - Conversation #12"
    assert made("message").earlier_title == made("conversation", comment="x").earlier_title == ""


def test_a_lead_in_words_of_ones_own() -> None:
    places = {
        "lead_title": "{{ company|default(name) }} - {{ attributes.plan }}",
        "lead_description": "{{ ready }}\n{{ contact_id }}",
    }
    rules = MappingRules(templates={place: text_template(place, text) for place, text in places.items()})
    one = contact(name="Ada", custom_attributes={"plan": "pro\nplus"}, additional_attributes={})
    found, plain = map_contact(one, rules), map_contact(one, MappingRules())
    assert isinstance(found, DesiredContact)
    assert isinstance(plain, DesiredContact)
    assert (found.lead["title"], found.person["name"]) == ("Ada - pro plus", "Ada")
    assert found.lead["description"] == f"{plain.lead['description']}\n7"
    assert found.person_hash() == plain.person_hash()


REFUSED = {
    "{{ name": "is no template",
    "{% wrong %}": "is no template",
    "x" * (LONGEST_SOURCE + 1): "is longer than",
    "{{ nmae }}": "knows no 'nmae'; there are about, attributes",
    "{{ settings }}": "knows no 'settings'",
    "{{ config.token }}": "knows no config.token",
    "{{ self }}": "knows no 'self'",
    "{{ loop }}": "knows no 'loop'",
    # Secrets: of Airflow, of the process, of the template's own surroundings.
    "{{ var.value.token }}": "must not use getattr",
    "{{ conn.krayin_default.password }}": "must not use getattr",
    "{{ environ.KRAYIN_TOKEN }}": "knows no environ.KRAYIN_TOKEN",
    "{{ request.environ }}": "knows no request.environ",
    "{{ cycler.__init__.__globals__ }}": "must not use getattr",
    "{{ ''.__class__.__mro__ }}": "must not use getattr",
    "{{ self._TemplateReference__context }}": "knows no self._TemplateReference__context",
    "{{ attributes.items() }}": "must not use call",
    "{{ name|map('x') }}": "knows no filter 'map'",
    "{{ name|pprint }}": "knows no filter 'pprint'",
    "{% debug %}": "is no template",
    # Recursion.
    "{{ caller() }}": "must not use call",
    "{{ super() }}": "must not use call",
    "{% call a() %}{% endcall %}": "must not use callblock",
    "{% macro a() %}{% endmacro %}{{ a() }}": "must not use macro",
    # Whatever grows.
    "{{ name + name }}": "must not use add",
    "{{ (name, name) }}": "must not use tuple",
    "{{ {'a': name} }}": "must not use dict",
    "{{ dict(a=name) }}": "must not use call",
    "{{ name[0:9] }}": "must not use getitem",
    "{{ 'x' % 5 }}": "must not use mod",
    "{{ -name }}": "must not use neg",
    "{{ name|batch(9) }}": "knows no filter 'batch'",
    "{{ name|join('x' * 9) }}": "must not use mul",
    "{% with a = name %}{{ a }}{% endwith %}": "must not use with",
    "{% while true %}x{% endwhile %}": "is no template",
    "{% for one in attributes %}{% endfor %}": "can loop over lists only",
    "{% for one in 'x' * 9 %}{% endfor %}": "must not use for",
    "{{ range(9) }}": "must not use call",
    "{{ lipsum(9) }}": "must not use call",
    "{{ name.upper() }}": "must not use call",
    "{{ name.__class__ }}": "knows no name.__class__",
    "{{ ''.__class__ }}": "must not use getattr",
    "{{ attributes.plan.__class__ }}": "must not use getattr",
    "{{ attributes[name] }}": "must not use getitem",
    "{{ attributes }}": "must say which of the attributes",
    "{{ name|attr('__class__') }}": "knows no filter 'attr'",
    "{{ name|replace('', 'xx') }}": "knows no filter 'replace'",
    "{{ '%999999999d'|format(1) }}": "knows no filter 'format'",
    "{{ name|center(999999999) }}": "knows no filter 'center'",
    "{{ 'x' * 999999999 }}": "must not use mul",
    "{{ 9 ** 9 ** 9 }}": "must not use pow",
    "{{ name ~ name }}": "must not use concat",
    "{{ [name, name] }}": "must not use list",
    "{{ name is defined }}": "must not use test",
    "{% set a = name %}{{ a }}": "must not use assign",
    "{% macro a() %}{{ a() }}{% endmacro %}": "must not use macro",
    "{% include 'x' %}": "must not use include",
    "{% import 'x' as x %}": "must not use import",
    "{% extends 'x' %}": "must not use extends",
    "{% block a %}{% endblock %}": "must not use block",
    "{% filter upper %}x{% endfilter %}": "must not use filterblock",
    "{% for one in name %}{% endfor %}": "can loop over lists only",
    "{% for one in 'abc' %}{% endfor %}": "must not use for",
    "{% for one in range(9) %}{% endfor %}": "must not use for",
    "{{ name|truncate('x') }}": "does not work for",
    "{% if name > 5 %}x{% endif %}": "does not work for empty values (TypeError)",
    "{{ " + "(" * 1500 + "name" + ")" * 1500 + " }}": "is nested too deep",
    "{% if name %}" * 150 + "{% endif %}" * 150: "is nested too deep",
    "{{ name" + "|upper" * 41 + " }}": "has more than 40 filters",
}


@pytest.mark.parametrize("place", ["lead_title", "field"])
@pytest.mark.parametrize(("source", "why"), REFUSED.items(), ids=[source[:40] for source in REFUSED])
def test_what_could_run_away_or_reach_further_is_refused_in_one_sentence(
    source: str, why: str, place: str
) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(why)}") as caught:
        text_template(place, source)
    assert len(str(caught.value)) < 300
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("source", "why"),
    [
        (
            "{% for a in messages %}{% for b in messages %}{{ b.text }}{% endfor %}{% endfor %}",
            "must not have loops",
        ),
        ("{% for a in messages recursive %}{{ loop(a) }}{% endfor %}", "must not use for"),
        ("{% for a in messages if a %}{% endfor %}", "must not use for"),
        ("{% for a, b in messages %}{% endfor %}", "must not use for"),
        ("{% for status in labels %}{% endfor %}", "must not have loops in loops, nor a loop that hides"),
        ("{% for a in messages %}{{ a }}{% endfor %}", "must say what of a: author, role, text, time"),
        ("{% for a in messages %}{{ a.items }}{% endfor %}", "knows no a.items"),
        ("{% for a in messages %}{% else %}{{ a.text }}{% endfor %}", "knows no a.text"),
        ("{{ messages }}", "must go through messages in a loop"),
        ("{{ messages|length }}", "must go through messages in a loop"),
        ("{% for a in labels %}{{ loop.index }}{% endfor %}", "knows no loop.index"),
    ],
)
def test_loops_go_once_through_one_list(source: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        text_template("conversation_comment", source)


def test_a_megabyte_is_cut_before_it_is_one() -> None:
    files = (Attachment("file", "x", None, None),) * 500
    long = replace(SENT, message=replace(MESSAGE, content="y" * 60_000, attachments=files))
    source = "{% for one in files %}{{ text }}{{ text|title }}{% endfor %}".replace("|title", "|upper" * 30)
    began = time.process_time()
    comment = made("message", long, comment=source).comment
    assert len(comment.encode()) <= TEXT_BYTES
    assert comment.endswith(CUT_MARK)
    assert (
        len(text_template("message_comment", source).render({"files": ["x"] * 500, "text": "y" * 60_000}))
        == LONGEST_TEXT
    )
    assert time.process_time() - began < 5


def test_work_without_output_ends_too() -> None:
    source = "{% for one in files %}{% if text" + "|capitalize" * 40 + " == '' %}{% endif %}{% endfor %}"
    template = text_template("message_comment", source)
    began = time.process_time()
    assert template.render({"files": ["x"] * 500, "text": "y" * 66_000}) == ""
    assert time.process_time() - began < 10


def test_values_that_an_expression_does_not_work_with_give_the_ready_text(
    caplog: pytest.LogCaptureFixture,
) -> None:
    source = "{% if text == 'secret' and text > 5 %}{% endif %}x"
    found = made("message", replace(SENT, message=replace(MESSAGE, content="secret")), comment=source)
    assert found.comment.endswith("<br>secret")
    assert "TypeError" in caplog.text
    assert "secret" not in caplog.text


def test_a_field_whose_template_does_not_work_is_left_out_and_told() -> None:
    wrong = text_template("field", "{% if about == 'secret' and about > 5 %}{% endif %}x")
    names = {"person": ("name", "job_title", "c_text"), "lead": ("lead_value",)}
    rules = MappingRules(
        fields={kind: {code: FilledField(template=wrong) for code in codes} for kind, codes in names.items()}
    )
    found = map_contact(
        contact(name="Ada", additional_attributes={"description": "secret"}, custom_attributes={}), rules
    )
    assert isinstance(found, DesiredContact)
    assert (found.person["name"], found.person["custom"], found.lead["custom"]) == ("Ada", {}, {})
    assert not {"job_title", "lead_value"} & {*found.person, *found.lead}
    assert "c_text: does not work for a record (TypeError)" in found.warnings
    assert "secret" not in str(found.warnings)


def test_a_megabyte_in_a_field_is_cut_to_its_column() -> None:
    long = text_template("field", "{{ about }}" * 300)
    rules = MappingRules(
        fields={"person": {"name": FilledField(template=long), "c_text": FilledField(template=long)}}
    )
    one = contact(name="Ada", additional_attributes={"description": "y" * 60_000}, custom_attributes={})
    began = time.process_time()
    found = map_contact(one, rules)
    assert isinstance(found, DesiredContact)
    text = found.person["custom"]["c_text"]
    assert (len(found.person["name"]), text.endswith(CUT_MARK)) == (255, True)
    assert len(text.encode()) <= TEXT_BYTES
    assert time.process_time() - began < 1


def test_nothing_of_a_value_is_read_as_a_template() -> None:
    found = made(
        "message", replace(SENT, message=replace(MESSAGE, content="{{ 7 }}{% x %}")), comment="{{ text }}"
    )
    assert found.comment == "{{ 7 }}{% x %}"


def test_the_guide_names_all_there_is() -> None:
    guide = GUIDE.read_text(encoding="utf-8")
    kinds = {name: kind for names in NAMES.values() for name, kind in names.items()}
    fields = {field for kind in kinds.values() if isinstance(kind, tuple) for field in kind}
    named = {*kinds, *fields, *FILTERS, *NAMES}
    assert {name for name in named if f"`{name}`" not in guide} == set()
    assert {place for place, source in READY.items() if f"{source.strip()}\n```" not in guide} == set()
