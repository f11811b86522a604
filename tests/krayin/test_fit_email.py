"""E-mail addresses as Krayin takes them, by the check of its stand-in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from krayin.text import fit_email

from sandbox.krayin.validation import is_email


@pytest.mark.parametrize(
    ("address", "fitting"),
    [
        ("ada@example.com", "ada@example.com"), ("a@b", "a@b"), ("ünï@exämple.de", "ünï@exämple.de"),
        ("hana..sato.@docomo.ne.jp", '"hana..sato."@docomo.ne.jp'), (".a@b.jp", '".a"@b.jp'),
        ('"a b"@b.jp', '"a b"@b.jp'), ('a"b@c.jp', '"a\\"b"@c.jp'), ("a\\b@c.jp", '"a\\\\b"@c.jp'), ("a@b@c.jp", '"a@b"@c.jp'),
        ("a@[127.0.0.1]", "a@[127.0.0.1]"),
        ("a@b..jp", ""), ("a@-b.jp", ""), ("a@b-.jp", ""), ("a@", ""), ("@b.jp", ""), ("a", ""), ("", ""), ("a\nb@c.jp", ""),
        (f"a@{'b' * 64}.jp", ""),
    ],
)  # fmt: skip
def test_what_is_refused_is_quoted_or_left_out(address: str, fitting: str) -> None:
    assert fit_email(address) == fitting


@given(st.text(alphabet='ab.@"\\ -_+(ü\n[]', max_size=12), st.sampled_from(["", "@x.jp", "@x", "@-x"]))
def test_what_goes_out_is_taken_and_what_is_taken_goes_out_as_it_is(local: str, domain: str) -> None:
    address = local + domain
    fitting = fit_email(address)
    assert fitting == "" or is_email(fitting)
    if is_email(address):
        assert fitting == address
