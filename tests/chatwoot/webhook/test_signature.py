from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from chatwoot.webhook.signature import Verdict, sign, verify
from hypothesis import given
from hypothesis import strategies as st

# A request as Chatwoot 4.12 signs it: HMAC-SHA256 keyed with the secret's text, over "<timestamp>.<raw body>".
SECRET = "tQ7mX2bLr9KfZ4cVhN8wPs3y"
TIMESTAMP = "1781774000"
BODY = '{"id":17,"name":"Zoë \\u003cb\\u003e","event":"contact_updated"}'.encode()
SIGNATURE = "sha256=3dc8baefc0102cf53afc594ff262637e8965aca03785cfd9e9497e74709261bb"
NOW = datetime.fromtimestamp(int(TIMESTAMP), UTC)


def judge(**changed):
    request = {"signature": SIGNATURE, "timestamp": TIMESTAMP, "body": BODY, "now": NOW, **changed}
    return verify(request.pop("secrets", [SECRET]), **request)


def test_the_recorded_signature_is_right():
    assert sign(SECRET, TIMESTAMP, BODY) == SIGNATURE
    assert judge() is Verdict.VALID


@pytest.mark.parametrize("away", [timedelta(minutes=5), timedelta(minutes=-5)])
def test_the_timestamp_may_be_five_minutes_off_either_way(away):
    assert judge(now=NOW + away) is Verdict.VALID
    assert judge(now=NOW + away * 1.01) is Verdict.TOO_OLD


def test_the_timestamp_is_part_of_what_is_signed():
    assert judge(timestamp="1781774001") is Verdict.WRONG


def test_any_of_several_secrets_will_do():
    assert judge(secrets=["another", SECRET]) is Verdict.VALID
    assert judge(secrets=["another"]) is Verdict.WRONG
    assert judge(secrets=[]) is Verdict.NO_SECRET


@pytest.mark.parametrize(
    ("changed", "verdict"),
    [
        ({"signature": None}, Verdict.MISSING),
        ({"timestamp": None}, Verdict.MISSING),
        ({"signature": ""}, Verdict.MISSING),
        ({"timestamp": "soon"}, Verdict.NOT_A_TIME),
        ({"timestamp": "-1781774000"}, Verdict.NOT_A_TIME),
        ({"timestamp": "1781774000.0"}, Verdict.NOT_A_TIME),
        ({"timestamp": "٣" * 10}, Verdict.NOT_A_TIME),
        ({"timestamp": "9" * 400}, Verdict.NOT_A_TIME),
        ({"signature": SIGNATURE.upper()}, Verdict.WRONG),
        ({"signature": SIGNATURE.removeprefix("sha256=")}, Verdict.WRONG),
        ({"signature": "sha256=ü"}, Verdict.WRONG),
        ({"body": BODY + b" "}, Verdict.WRONG),
    ],
)
def test_everything_else_is_refused(changed, verdict):
    assert judge(**changed) is verdict


@given(st.binary(max_size=200), st.binary(max_size=200), st.text(max_size=80))
def test_no_other_body_and_no_made_up_signature_passes(body, other, signature):
    good = sign(SECRET, TIMESTAMP, body)
    assert judge(body=body, signature=good) is Verdict.VALID
    if other != body:
        assert judge(body=other, signature=good) is Verdict.WRONG
    if signature != good:
        assert judge(body=body, signature=signature) is not Verdict.VALID
