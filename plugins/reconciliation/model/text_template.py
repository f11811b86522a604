"""Texts as users write them: of Jinja2 only what can neither run away nor reach anything else."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any, NoReturn

from jinja2 import StrictUndefined, Template, TemplateSyntaxError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from reconciliation.model.stored_text import visible_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

log = logging.getLogger(__name__)

LONGEST_SOURCE = 4_000
MOST_FILTERS = 40
MOST_ITEMS = 50
"""Of a longer list of texts only the first ones are to be given."""
LONGEST_TEXT = 66_000
"""More than fits Krayin's largest column, so that the cut there shows."""
_LONGEST_SEPARATOR = 20


class Kind(Enum):
    """What stands behind a name that is no list of records."""

    TEXT = "a text"
    TEXTS = "a list of texts"
    ATTRIBUTES = "attributes by their names"


Names = Mapping[str, Kind | tuple[str, ...] | frozenset[str]]
"""Names and what stands behind each; of a list of records, and of one record, what each of them has."""


def _texts(*names: str) -> dict[str, Kind]:
    return dict.fromkeys((*names, "ready"), Kind.TEXT)


_LEAD: Names = {
    **_texts("name", "email", "phone", "identifier", "company", "job_title", "city", "country", "about"),
    **_texts("contact_id", "inbox"),
    "attributes": Kind.ATTRIBUTES,
}
_CONVERSATION: Names = {
    **_texts("number", "status", "inbox", "channel", "place", "assignee", "team", "priority", "started"),
    **_texts("subject", "link", "heading"),
    "labels": Kind.TEXTS,
    "attributes": Kind.ATTRIBUTES,
    "attribute_list": ("name", "value"),
    "messages": ("author", "role", "time", "text"),
}
_MESSAGE: Names = {
    **_texts("number", "author", "role", "time", "inbox", "channel", "place", "subject", "text", "link"),
    "files": Kind.TEXTS,
}
NAMES = {
    "field": {name: kind for name, kind in _LEAD.items() if name != "ready"},
    "lead_title": _LEAD,
    "lead_description": _LEAD,
    "conversation_title": _CONVERSATION,
    "conversation_comment": _CONVERSATION,
    "message_title": _MESSAGE,
    "message_comment": _MESSAGE,
}
"""What each template may name. `ready` is the text that there is without a template of one's own."""
READY = {
    "lead_title": "{{ name }}",
    "lead_description": """\
Chatwoot contact: {{ contact_id }}
{% if identifier %}
Identifier: {{ identifier }}
{% endif %}
{% if email %}
E-mail: {{ email }}
{% endif %}
{% if phone %}
Phone: {{ phone }}
{% endif %}
{% if company %}
Company: {{ company }}
{% endif %}
{% if job_title %}
Job title: {{ job_title }}
{% endif %}
{% if city or country %}
Location: {{ city }}{% if city and country %}, {% endif %}{{ country }}
{% endif %}
{% if about %}
About: {{ about }}
{% endif %}
""",
    "conversation_title": "Conversation #{{ number }}",
    "conversation_comment": """\
{% if subject %}
Subject: {{ subject }}
{% endif %}
Status: {{ status }}
Inbox: {{ place }}
{% if assignee %}
Assignee: {{ assignee }}
{% endif %}
{% if team %}
Team: {{ team }}
{% endif %}
{% if priority %}
Priority: {{ priority }}
{% endif %}
{% if labels %}
Labels: {{ labels }}
{% endif %}
{% for one in attribute_list %}
{{ one.name }}: {{ one.value }}
{% endfor %}
Started: {{ started }}
{% if link %}
{{ link }}
{% endif %}
{% if messages %}

{{ heading }}:
{% endif %}
{% for one in messages %}
{{ one.time }} {{ one.author }} ({{ one.role }}):
{{ one.text }}

{% endfor %}
""",
    "message_title": "Message from {{ author }} - Conversation #{{ number }}",
    "message_comment": """\
{% if subject %}
Subject: {{ subject }}
{% endif %}
{% if link %}
{{ link }}
{% endif %}
{{ author }} ({{ role }}), {{ time }}, {{ place }}:
{{ text }}
""",
}
"""The templates of all texts that have none of one's own."""


def _join(value: Any, separator: str = ", ") -> str:
    return str(separator)[:_LONGEST_SEPARATOR].join(value) if isinstance(value, list) else str(value)


def _truncate(value: Any, length: int = 255) -> str:
    text = _shown(value)
    return text if len(text) <= length else text[: max(length - 1, 0)].rstrip() + "…"


def _shown(value: Any) -> str:
    return _join(value)


def _first(value: Any) -> Any:
    return next(iter(value), "")


def _default(value: Any, other: Any = "") -> Any:
    return value or other


FILTERS: dict[str, Callable[..., Any]] = {
    "capitalize": lambda value: _shown(value).capitalize(),
    "default": _default,
    "first": _first,
    "join": _join,
    "last": lambda value: _first(value[-1:]),
    "length": lambda value: len(value),  # noqa: PLW0108 - a filter of its own
    "lower": lambda value: _shown(value).lower(),
    "trim": lambda value: _shown(value).strip(),
    "truncate": _truncate,
    "upper": lambda value: _shown(value).upper(),
}
# No arithmetic and no joining of texts, calls, assignments, macros or other templates.
_PLAIN = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Const, nodes.If, nodes.CondExpr, nodes.Compare,
    nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.Filter, nodes.Keyword,
)  # fmt: skip


class _Environment(ImmutableSandboxedEnvironment):
    """One in which a dot looks into a mapping and nowhere else."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        return self.getitem(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        return obj.get(argument, "") if isinstance(obj, Mapping) else self.undefined(obj=obj, name=argument)


_environment = _Environment(
    undefined=StrictUndefined, finalize=_shown, autoescape=False, trim_blocks=True, lstrip_blocks=True
)
_environment.globals.clear()
_environment.filters = dict(FILTERS)
_environment.tests = {}


@dataclass(frozen=True, slots=True)
class TextTemplate:
    """A template that was found good; `attributes` are the attributes it reads."""

    source: str
    template: Template
    attributes: frozenset[str]

    def render(self, values: Mapping[str, Any]) -> str:
        """Return the text without outer blanks, "" where these values are none that it works with.

        All names must have values. What is longer than any column of Krayin is cut.
        """
        try:
            return self.value(values)
        except ValueError as error:
            log.warning("A template %s: it has the ready text.", error)
            return ""

    def value(self, values: Mapping[str, Any]) -> str:
        """Return the text like `render`.

        Raises:
            ValueError: it does not work with these values; the message names none.
        """
        try:
            return self._rendered(values).strip()
        except Exception as error:
            message = f"does not work for a record ({type(error).__name__})"
            raise ValueError(message) from error

    def _rendered(self, values: Mapping[str, Any]) -> str:
        pieces, room = [], LONGEST_TEXT
        for piece in self.template.generate(values):
            pieces.append(piece[:room])
            room -= len(piece)
            if room <= 0:
                break
        return "".join(pieces)


@lru_cache(maxsize=256)
def text_template(place: str, source: str) -> TextTemplate:
    """Return the template for a place, one of `NAMES`.

    Raises:
        ValueError: it is none, or does more than templates may; the message is one sentence without it.
    """
    if len(source) > LONGEST_SOURCE:
        _refuse(f"is longer than {LONGEST_SOURCE:,} characters")
    try:
        tree = _environment.parse(source)
        attributes = frozenset(_checked(tree, NAMES[place]))
        if sum(1 for _ in islice(tree.find_all(nodes.Filter), MOST_FILTERS + 1)) > MOST_FILTERS:
            _refuse(f"has more than {MOST_FILTERS} filters")
        made = TextTemplate(source, _environment.from_string(source), attributes)
    except TemplateSyntaxError as error:
        _refuse(f"is no template: line {error.lineno}: {error.message}")
    except (RecursionError, SyntaxError):
        _refuse("is nested too deep")
    for sample in ("", "x"):
        try:
            made._rendered(_sample(NAMES[place], sample))  # noqa: SLF001 - here an error is to be seen
        except Exception as error:  # noqa: BLE001 - whatever an expression does with values of other kinds
            _refuse(f"does not work for {'empty' if not sample else 'all'} values ({type(error).__name__})")
    return made


def text_of(place: str, values: Mapping[str, Any], own: Mapping[str, TextTemplate]) -> str:
    """Return the text for a place: by the template of one's own, the ready one if that is absent or blank.

    `values` are those of `NAMES` but `ready`. A title of one's own is one line.
    """
    text = text_template(place, READY[place]).render(values)
    template = own.get(place)
    if template is None:
        return text
    other = visible_text(template.render({**values, "ready": text}))
    return (" ".join(other.split()) if place.endswith("_title") else other) or text


def _sample(names: Names, text: str) -> dict[str, Any]:
    values: dict[Any, Any] = {Kind.TEXT: text, Kind.TEXTS: [text] if text else [], Kind.ATTRIBUTES: {}}
    return {
        name: values[kind] if isinstance(kind, Kind) else [dict.fromkeys(kind, text)] if text else []
        for name, kind in names.items()
    }


def _checked(node: nodes.Node, names: Names, *, in_loop: bool = False) -> Iterator[str]:
    """Yield the attributes that a node reads."""
    match node:
        case nodes.Name(name=name):
            _check_name(name, names)
        case nodes.If(test=nodes.Name(name=name)) if isinstance(names.get(name), tuple):
            yield from _all_checked((*node.body, *node.elif_, *node.else_), names, in_loop=in_loop)
        case nodes.Getattr(node=nodes.Name(name=name), attr=key):
            yield from _key(name, key, names)
        case nodes.Getitem(node=nodes.Name(name=name), arg=nodes.Const(value=str() as key)):
            yield from _key(name, key, names)
        case nodes.For(target=nodes.Name(name=name), iter=nodes.Name(name=over), recursive=False, test=None):
            if in_loop or name in names:
                _refuse("must not have loops in loops, nor a loop that hides a name")
            inside = {**names, name: _one_of(over, names)}
            yield from _all_checked(node.body, inside, in_loop=True)
            yield from _all_checked(node.else_, names, in_loop=False)
        case _:
            if not isinstance(node, _PLAIN):
                _refuse(
                    f"must not use {type(node).__name__.lower()}: only values, conditions, loops and filters"
                )
            if isinstance(node, nodes.Filter) and node.name not in FILTERS:
                _refuse(f"knows no filter {node.name!r}; there are {', '.join(FILTERS)}")
            yield from _all_checked(node.iter_child_nodes(), names, in_loop=in_loop)


def _all_checked(some: Iterable[nodes.Node], names: Names, *, in_loop: bool) -> Iterator[str]:
    for node in some:
        yield from _checked(node, names, in_loop=in_loop)


def _check_name(name: str, names: Names) -> None:
    match names.get(name):
        case None:
            _refuse(f"knows no {name!r}; there are {', '.join(sorted(names))}")
        case frozenset() as fields:
            _refuse(f"must say what of {name}: {', '.join(sorted(fields))}")
        case tuple():
            _refuse(f"must go through {name} in a loop")
        case Kind.ATTRIBUTES:
            _refuse(f"must say which of the {name}, as in {name}.plan")


def _key(name: str, key: str, names: Names) -> Iterator[str]:
    kind = names.get(name)
    if kind is Kind.ATTRIBUTES:
        yield key
    elif not (isinstance(kind, frozenset) and key in kind):
        _refuse(f"knows no {name}.{key}")


def _one_of(name: str, names: Names) -> Kind | frozenset[str]:
    """Return what stands behind each of a list."""
    kind = names.get(name)
    if isinstance(kind, tuple):
        return frozenset(kind)
    if kind is not Kind.TEXTS:
        _refuse(f"can loop over lists only, not over {name!r}")
    return Kind.TEXT


def _refuse(why: str) -> NoReturn:
    raise ValueError(why)
