from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from chatwoot.webhook.signature import SignatureCheck, sign, verify
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
    assert judge() is SignatureCheck.VALID


@pytest.mark.parametrize("away", [timedelta(minutes=5), timedelta(minutes=-5)])
def test_the_timestamp_may_be_five_minutes_off_either_way(away):
    assert judge(now=NOW + away) is SignatureCheck.VALID
    assert judge(now=NOW + away * 1.01) is SignatureCheck.TOO_OLD


def test_the_timestamp_is_part_of_what_is_signed():
    assert judge(timestamp="1781774001") is SignatureCheck.WRONG


def test_any_of_several_secrets_will_do():
    assert judge(secrets=["another", SECRET]) is SignatureCheck.VALID
    assert judge(secrets=["another"]) is SignatureCheck.WRONG
    assert judge(secrets=[]) is SignatureCheck.NO_SECRET


@pytest.mark.parametrize(
    ("changed", "verdict"),
    [
        ({"signature": None}, SignatureCheck.MISSING),
        ({"timestamp": None}, SignatureCheck.MISSING),
        ({"signature": ""}, SignatureCheck.MISSING),
        ({"timestamp": "soon"}, SignatureCheck.NOT_A_TIME),
        ({"timestamp": "-1781774000"}, SignatureCheck.NOT_A_TIME),
        ({"timestamp": "1781774000.0"}, SignatureCheck.NOT_A_TIME),
        ({"timestamp": "٣" * 10}, SignatureCheck.NOT_A_TIME),
        ({"timestamp": "9" * 400}, SignatureCheck.NOT_A_TIME),
        ({"signature": SIGNATURE.upper()}, SignatureCheck.WRONG),
        ({"signature": SIGNATURE.removeprefix("sha256=")}, SignatureCheck.WRONG),
        ({"signature": "sha256=ü"}, SignatureCheck.WRONG),
        ({"body": BODY + b" "}, SignatureCheck.WRONG),
    ],
)
def test_everything_else_is_refused(changed, verdict):
    assert judge(**changed) is verdict


@given(st.binary(max_size=200), st.binary(max_size=200), st.text(max_size=80))
def test_no_other_body_and_no_made_up_signature_passes(body, other, signature):
    good = sign(SECRET, TIMESTAMP, body)
    assert judge(body=body, signature=good) is SignatureCheck.VALID
    if other != body:
        assert judge(body=other, signature=good) is SignatureCheck.WRONG
    if signature != good:
        assert judge(body=body, signature=signature) is not SignatureCheck.VALID
