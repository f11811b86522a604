"""The HTTP application that takes Chatwoot's webhooks."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

import psycopg
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.requests import ClientDisconnect

from chatwoot.webhook.inbox import InboxEvent
from chatwoot.webhook.payload_ids import Flaw, UnreadablePayloadError, notice_of, parsed
from chatwoot.webhook.private_notes import without_private_notes
from chatwoot.webhook.signature import (
    DELIVERY_HEADER,
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
    SignatureCheck,
    verify,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from chatwoot.webhook.inbox import Inbox

log = logging.getLogger(__name__)

LARGEST_BODY = 1024 * 1024
# Chatwoot gives up after five seconds: a later answer would be heard by nobody.
PATIENCE = 4.0
# Its body comes at once; what is left then is the database's.
BODY_PATIENCE = 3.0


@dataclass(frozen=True, slots=True)
class WebhookEndpoint:
    """What one sync's URL takes."""

    account_id: int
    enabled: bool = True
    allow_unsigned: bool = False


class WebhookConfig(Protocol):
    """What the receiver must be told of the syncs."""

    async def endpoint(self, sync_name: str) -> WebhookEndpoint | None:
        """Return what the URL of a sync takes, None when there is no such sync."""
        ...

    async def secrets(self, sync_name: str, *, fresh: bool = False) -> Sequence[str]:
        """Return the secrets that may have signed, `fresh` without trusting what is remembered."""
        ...

    async def inbox(self) -> Inbox:
        """Return where events are kept."""
        ...


class _RefusedError(Exception):
    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


def create_app(
    config: WebhookConfig,
    *,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    lifespan: Callable[[FastAPI], object] | None = None,
) -> FastAPI:
    """Return the application with its one route, POST /webhooks/{sync_name}.

    It answers 200 after the event is committed, and also when there is nothing to be done (a
    repetition, an event nobody needs); 401 without a good signature, 404 for an unknown sync, 413 for
    a body of more than 1 MB, 408 for one that does not come, 400 and 422 for what is not Chatwoot's or of
    another account, 503 when the database does not take it within four seconds.
    """
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, lifespan=lifespan)  # type: ignore[arg-type]

    async def receive(request: Request) -> JSONResponse:
        sync_name = request.path_params["sync_name"]
        return await _answered(sync_name, _receive(config, sync_name, request, now))

    # Starlette's way of adding a route: there are no parameters whose resolution would be worth its time.
    app.add_route("/webhooks/{sync_name}", receive, methods=["POST"])
    return app


async def _answered(sync_name: str, work: Awaitable[str]) -> JSONResponse:
    try:
        async with asyncio.timeout(PATIENCE):
            return JSONResponse({"status": await work})
    except _RefusedError as refused:
        log.warning("A webhook for %r was refused (%d): %s", sync_name[:60], refused.status, refused.detail)
        return JSONResponse({"detail": refused.detail}, refused.status)
    except (psycopg.Error, TimeoutError) as error:
        log.error("A webhook for %s could not be kept: %s", sync_name[:60], type(error).__name__)  # noqa: TRY400 - its text may quote the row
        detail = "the sync database does not answer; the next scheduled run will find the change"
        return JSONResponse({"detail": detail}, 503, {"Retry-After": "5"})


async def _receive(
    config: WebhookConfig, sync_name: str, request: Request, now: Callable[[], datetime]
) -> str:
    endpoint = await config.endpoint(sync_name)
    if endpoint is None:
        raise _RefusedError(404, "no sync of this name")
    body = await _bounded_body(request)
    signed = await _verified(config, sync_name, endpoint, request, body, now())
    try:
        payload = parsed(body)
        notice = notice_of(payload)
    except UnreadablePayloadError as error:
        raise _RefusedError(400, str(error)) from None
    if notice.account_id not in {None, endpoint.account_id}:
        raise _RefusedError(422, f"this URL is for account {endpoint.account_id}, the event is of another")
    if not endpoint.enabled or not notice.entities:
        return "ignored"
    try:
        told = without_private_notes(body, payload)
    except RecursionError:
        raise _RefusedError(400, str(Flaw.TOO_DEEP)) from None
    event = InboxEvent(
        sync_name=sync_name,
        delivery_id=_uuid(request.headers.get(DELIVERY_HEADER)),
        event=notice.event,
        entities=notice.entities,
        signed=signed,
        content_hash=hashlib.sha256(body).digest(),
        body=told,
    )
    inbox = await config.inbox()
    return "accepted" if await inbox.store(event) else "duplicate"


async def _bounded_body(request: Request) -> bytes:
    too_large = _RefusedError(413, f"the body is larger than {LARGEST_BODY} bytes")
    announced = request.headers.get("Content-Length", "")
    if (
        announced.isdecimal()
        and announced.isascii()
        and (len(announced) > 12 or int(announced) > LARGEST_BODY)
    ):
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_PATIENCE):
            async for chunk in request.stream():
                body += chunk
                if len(body) > LARGEST_BODY:
                    raise too_large
    except ClientDisconnect:
        raise _RefusedError(400, "the connection was closed before the body had come") from None
    except TimeoutError:
        raise _RefusedError(408, f"the body did not come within {BODY_PATIENCE:.0f} seconds") from None
    return bytes(body)


async def _verified(  # noqa: PLR0913, PLR0917 - the parts of a request
    config: WebhookConfig,
    sync_name: str,
    endpoint: WebhookEndpoint,
    request: Request,
    body: bytes,
    now: datetime,
) -> bool:
    """Return whether the request is signed; raises when it is not and should be, or is signed wrongly."""
    signature = request.headers.get(SIGNATURE_HEADER)
    if signature is None and endpoint.allow_unsigned:
        return False
    timestamp = request.headers.get(TIMESTAMP_HEADER)
    verdict = SignatureCheck.NO_SECRET
    # A secret entered or renewed a moment ago should count at once.
    for fresh in (False, True):
        secrets = await config.secrets(sync_name, fresh=fresh)
        verdict = verify(secrets, signature=signature, timestamp=timestamp, body=body, now=now)
        if verdict not in {SignatureCheck.WRONG, SignatureCheck.NO_SECRET}:
            break
    if verdict is SignatureCheck.VALID:
        return True
    if verdict is SignatureCheck.NO_SECRET:
        log.warning(
            "No secret is known for the webhook of %s: run krayin_setup, its log says what to do.", sync_name
        )
    raise _RefusedError(401, str(verdict))


def _uuid(text: str | None) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        return None
