"""The receiver under requests made from Chatwoot's payloads by changing types, nesting, sizes and encodings."""

from __future__ import annotations

import asyncio
import copy
import gzip
import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from chatwoot.webhook.receiver import LARGEST_BODY, create_app
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from sandbox.chatwoot import webhooks
from tests.chatwoot.payloads import PAYLOADS
from tests.chatwoot.webhook.test_receiver import SECRET, FakeDesk
from tests.soak import SOAK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

EXAMPLES = 20_000 if SOAK else 150
# 500 and its like are for what we did wrong; 503 is for a database that does not answer, which it does here.
FINE = {200, 400, 401, 404, 413, 422}

LONG = "x" * 70_000
# Repetitions of repetitions would fill the memory, depth upon depth the stack, before they reach the receiver.
FEW = 100
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(st.characters(), max_size=20)
    | st.sampled_from(["\0", "\ud800", "\U0001f6e0" * 50, "private", "contact_created", "1"])
    | st.just(LONG)
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(), max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


def paths(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a payload, the whole of it first."""
    yield at
    if isinstance(value, dict):
        for key, item in value.items():
            yield from paths(item, (*at, key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from paths(item, (*at, number))


def is_small(value: Any) -> bool:
    return sum(1 for _ in paths(value)) < FEW


def nested(depth: int, value: Any) -> Any:
    for number in range(depth):
        value = [value] if number % 2 else {"a": value}
    return value


@st.composite
def payloads(draw: st.DrawFn) -> Any:
    """One of Chatwoot's payloads with some places changed: other types, missing, nested, marked private."""
    payload: Any = {"payload": copy.deepcopy(draw(st.sampled_from(list(PAYLOADS.values()))))}
    for _ in range(draw(st.integers(0, 4))):
        *before, last = draw(st.sampled_from([path for path in paths(payload) if path]))
        parent = payload
        for key in before:
            parent = parent[key]
        match draw(st.sampled_from(["replace", "drop", "deepen", "private", "repeat"])):
            case "replace":
                parent[last] = draw(ANYTHING)
            case "drop" if len(before) > 0:
                del parent[last]
            case "deepen" if len(before) < FEW and is_small(parent[last]):
                parent[last] = nested(draw(st.sampled_from([3, 40, 300, 700])), parent[last])
            case "private" if isinstance(parent, dict) and len(before) > 0:
                parent["private"] = True
            case "repeat" if is_small(parent[last]):
                parent[last] = [parent[last]] * draw(st.sampled_from([0, 2, 200]))
            case _:
                pass
    return payload["payload"]


def as_rails(text: str) -> bytes:
    # Half of a surrogate pair cannot be written raw.
    return text.encode() if "\\ud8" in text else webhooks.encode(json.loads(text))


ENCODINGS: list[Callable[[str], bytes]] = [
    as_rails,
    str.encode,
    lambda text: json.dumps(json.loads(text), indent=3).encode() if len(text) < 20_000 else text.encode(),
    lambda text: text.encode("utf-16"),
    lambda text: text.encode() + b"\xf6",
    lambda text: text.encode("utf-8-sig"),
    lambda text: gzip.compress(text.encode()),
    lambda text: text.encode() * 2,
    lambda text: text.replace('"Harbour Help"', '"\\udfff"').encode(),
    lambda text: text.encode() + b" " * LARGEST_BODY,
]


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """A payload as bytes, as Rails writes it or in some other way, whole or cut."""
    text = json.dumps(draw(payloads()))
    body = draw(st.sampled_from(ENCODINGS))(text)
    return body[: draw(st.integers(0, len(body)))] if draw(st.integers(0, 9)) == 0 else body


@pytest.fixture(scope="module")
def post(new_database: Callable[..., str]) -> Iterator[Callable[..., httpx.Response]]:
    from reconciliation.migrations import upgrade

    url = new_database("inbox")
    upgrade(url)
    desk = FakeDesk(url)
    with asyncio.Runner() as runner:
        transport = httpx.ASGITransport(create_app(desk), raise_app_exceptions=False)
        client = httpx.AsyncClient(transport=transport, base_url="http://airflow")

        def send(sync: str, body: bytes, headers: dict[str, Any]) -> httpx.Response:
            return runner.run(client.post(f"/webhooks/{sync}", content=body, headers=headers))

        yield send
        if desk.opened is not None:
            runner.run(desk.opened.close())
        runner.run(client.aclose())


@pytest.mark.timeout(3600 if SOAK else 120)
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)
@given(
    st.sampled_from(["shop", "shop", "shop", "old", "off", "nowhere"]),
    bodies(),
    st.dictionaries(
        st.sampled_from(
            ["X-Chatwoot-Delivery", "Content-Type", "Content-Encoding", "Content-Length", "Accept"]
        ),
        st.binary(max_size=40).filter(lambda value: not set(value) & {0, 10, 13})
        | st.sampled_from([b"text/plain", b"gzip", b"application/x-www-form-urlencoded", b"-1", b"1e3"]),
        max_size=2,
    ),
)
def test_no_request_is_answered_by_a_server_error(
    post: Callable[..., httpx.Response], sync: str, body: bytes, headers: dict[str, bytes]
) -> None:
    signed: dict[str, Any] = {**webhooks.headers(SECRET, body), **headers}
    answer = post(sync, body, signed)
    event(f"{answer.status_code} {answer.json().get('status', '')}")
    assert answer.status_code in FINE, answer.text
    assert "Traceback" not in answer.text
