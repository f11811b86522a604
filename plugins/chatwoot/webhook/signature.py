"""The signature Chatwoot puts on its webhooks."""

from __future__ import annotations

import hmac
import re
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

SIGNATURE_HEADER = "X-Chatwoot-Signature"
TIMESTAMP_HEADER = "X-Chatwoot-Timestamp"
DELIVERY_HEADER = "X-Chatwoot-Delivery"

# Chatwoot sets the timestamp when it makes the request and names no tolerance; clocks differ.
TOLERANCE = timedelta(minutes=5)
_SECONDS = re.compile(r"[0-9]{1,11}")
_PREFIX = "sha256="


class SignatureCheck(StrEnum):
    """What is to be thought of a request's signature."""

    VALID = "valid"
    MISSING = "the signature or its timestamp is missing"
    NOT_A_TIME = "the timestamp is no Unix time"
    TOO_OLD = "the timestamp is too far from this machine's clock"
    WRONG = "the signature is wrong"
    NO_SECRET = "no secret is known"  # noqa: S105 - a sentence


def sign(secret: str, timestamp: str, body: bytes) -> str:
    """Return what Chatwoot 4.11.2 and later sends: HMAC-SHA256 over "<timestamp>.<raw body>".

    The key is the secret's text as it is, not decoded; the result is "sha256=" and lower-case hex.
    """
    return _PREFIX + hmac.digest(secret.encode(), timestamp.encode() + b"." + body, "sha256").hex()


def verify(
    secrets: Iterable[str],
    *,
    signature: str | None,
    timestamp: str | None,
    body: bytes,
    now: datetime,
) -> SignatureCheck:
    """Judge a request by the raw bytes of its body.

    Args:
        secrets: those that are good now; any of them may have signed.
        signature: the X-Chatwoot-Signature header.
        timestamp: the X-Chatwoot-Timestamp header, Unix seconds.
        body: as received; the same JSON written anew has another signature.
        now: aware; the timestamp may be `TOLERANCE` away from it, either way.
    """
    known = list(secrets)
    if not known:
        return SignatureCheck.NO_SECRET
    if not signature or not timestamp:
        return SignatureCheck.MISSING
    if not _SECONDS.fullmatch(timestamp):
        return SignatureCheck.NOT_A_TIME
    if abs(now.timestamp() - int(timestamp)) > TOLERANCE.total_seconds():
        return SignatureCheck.TOO_OLD
    # Bytes: comparing texts raises on characters beyond ASCII, which a header may hold.
    given = signature.encode("utf-8", "surrogateescape")
    # All are compared, so that the time taken does not tell which one is near.
    matches = [hmac.compare_digest(sign(secret, timestamp, body).encode(), given) for secret in known]
    return SignatureCheck.VALID if any(matches) else SignatureCheck.WRONG
