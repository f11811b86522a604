"""What a message says beside its text: what it offers, what was answered, how a call went."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from krayin.text import cut_characters

from reconciliation.model.duration import duration

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

VOICE_CALL = "voice_call"
_DIRECTIONS = {"inbound": "incoming", "incoming": "incoming", "outbound": "outgoing", "outgoing": "outgoing"}
_NAMES = ("title", "label", "name", "text")
_MORE = ("description", "link", "value")
_BEST_RATING = 5


def offer_lines(details: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a message offers beside its text, line by line: choices, cards, form fields, articles."""
    if details.get("kind") == "sticker":
        yield "(sticker)"
    if details.get("is_unsupported") is True:
        yield "(a kind of message that Chatwoot cannot show)"
    for item in _objects(details.get("items")):
        name = next(filter(None, (_shown(item.get(key)) for key in _NAMES)), "")
        more = [text for key in _MORE if (text := _shown(item.get(key))) and text.lower() != name.lower()]
        if name or more:
            yield f"- {': '.join(filter(None, [name, *more]))}"


def outcome_lines(details: Mapping[str, Any]) -> Iterator[str]:
    """Yield what came of a message after it was sent, line by line: answers, a rating, how a call went."""
    if details.get("kind") == VOICE_CALL:
        yield from _call(details.get("data"))
    answers = details.get("submitted_values")
    if isinstance(answers, dict):
        rated = answers.get("csat_survey_response")
        rating = rated if isinstance(rated, dict) else {}
        if _shown(rating.get("rating")):
            yield f"Rating: {_shown(rating['rating'])} of {_BEST_RATING}"
        if _shown(rating.get("feedback_message")):
            yield _shown(rating["feedback_message"])
        rest = ((key, _shown(value)) for key, value in answers.items() if key != "csat_survey_response")
        yield from (f"{cut_characters(key)}: {text}" for key, text in rest if text)
    for answer in _objects(answers):
        name, value = _shown(answer.get("name")), _shown(answer.get("value"))
        if name and value:
            yield f"{_shown(answer.get('title')) or name}: {value}"
        elif value or _shown(answer.get("title")):
            yield f"Answer: {_shown(answer.get('title')) or value}"
    if _shown(details.get("submitted_email")):
        yield f"E-mail: {_shown(details['submitted_email'])}"


def _call(data: Any) -> Iterator[str]:
    call = data if isinstance(data, dict) else {}
    meta = call.get("meta")
    direction = _shown(call.get("call_direction")) or _shown(call.get("direction"))
    seconds = next(
        (
            value
            for place in (call, meta if isinstance(meta, dict) else {})
            for key in ("duration_seconds", "duration")
            if isinstance(value := place.get(key), int | float) and not isinstance(value, bool) and value >= 0
        ),
        None,
    )
    known = [
        _DIRECTIONS.get(direction, direction),
        _shown(call.get("status")).replace("-", " ").replace("_", " "),
        duration(min(seconds, 10**9)) if seconds else "",
    ]
    if any(known):
        yield f"Call: {', '.join(filter(None, known))}"


def _objects(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _shown(value: Any) -> str:
    """Return text or a number for reading, "" for anything else."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(filter(None, map(_shown, value)))
    return str(value).strip() if isinstance(value, str | int | float) else ""
