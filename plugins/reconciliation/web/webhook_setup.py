"""Registers a sync's webhook in Chatwoot, or says what to enter there by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chatwoot.webhook.payload_ids import SUBSCRIPTIONS
from chatwoot.webhook.registration import is_private, register
from statements import statement

from reconciliation.settings.sync_settings import SECRET_CONN_ID
from reconciliation.store.connection import connect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from chatwoot.api.session import ApiSession

    from reconciliation.settings.sync_settings import SyncSettings
    from reconciliation.store.secret_box import SecretBox

URL_PREFIX = "/chatwoot"
PRIVATE = (
    "Chatwoot 4.14 and later sends nothing to private addresses such as this one: set "
    "SAFE_FETCH_ALLOW_PRIVATE_NETWORK=true for its web and Sidekiq processes (4.14.1 and later), or give a "
    "public address in webhook.url"
)


def url_of(settings: SyncSettings, base_url: str | None) -> str | None:
    """Return where Chatwoot shall send this sync's webhooks, None when neither file nor Airflow says."""
    if settings.webhook.url:
        return settings.webhook.url
    return f"{base_url.rstrip('/')}{URL_PREFIX}/webhooks/{settings.name}" if base_url else None


def set_up_webhook(  # noqa: PLR0913 - the dependencies to everything it brings together
    settings: SyncSettings,
    sync_dsn: str,
    *,
    base_url: str | None,
    api: ApiSession | None,
    given_secret: str | None,
    box: Callable[[], SecretBox],
) -> Iterator[str]:
    """Register the webhook if there is an API, and yield what was done or is left to do, a line each.

    Args:
        settings: the sync.
        sync_dsn: where the secret is kept, encrypted.
        base_url: Airflow's address as browsers see it, if it is configured.
        api: Chatwoot's API, if `webhook.api_conn_id` is set.
        given_secret: the secret somebody entered as an Airflow connection.
        box: gives what encrypts; called only when there is a secret to keep.

    Raises:
        ChatwootApiUnreachable, ChatwootApiRefused: Chatwoot did not do it.
        NoFernetKeyError: the secret cannot be kept.
    """
    url = url_of(settings, base_url)
    if settings.webhook.allow_unsigned:
        yield "Warning: webhooks without a signature are accepted (webhook.allow_unsigned)"
    if api is None:
        yield from _by_hand(settings, url, given_secret)
    elif url is None:
        yield (
            "Webhook: not registered, its address is not known: set webhook.url in the sync file, or "
            "AIRFLOW__API__BASE_URL for Airflow"
        )
        return
    else:
        yield from _registered(settings, sync_dsn, url, api, box)
    if url is not None and is_private(url):
        yield PRIVATE


def _registered(
    settings: SyncSettings, sync_dsn: str, url: str, api: ApiSession, box: Callable[[], SecretBox]
) -> Iterator[str]:
    registration = register(api, url)
    webhook = registration.webhook
    sealed = box().seal(webhook.secret) if webhook.secret else None
    with connect(sync_dsn) as connection:
        row = connection.execute(
            statement("webhook/registration_read"), {"sync_name": settings.name}
        ).fetchone()
        connection.execute(
            statement("webhook/registration_write"),
            {"sync_name": settings.name, "url": url, "chatwoot_id": webhook.id, "secret": sealed},
        )
    yield f"Webhook {webhook.id} of Chatwoot {api.where} {registration.done}: {url}"
    earlier = row[1] if row else None
    for other in registration.others:
        if other.id == earlier:
            # Its secret is not kept any more: what it sends is refused, or comes twice.
            yield (
                f"Webhook {other.id} of an earlier address is still in Chatwoot: {other.url}. Delete it "
                "there (Settings > Integrations > Webhooks), unless something else needs it"
            )
    if webhook.secret is None and not settings.webhook.allow_unsigned:
        yield (
            "Warning: this Chatwoot does not sign its webhooks, so all are refused. Update it to 4.11.2 "
            "or later, or set webhook.allow_unsigned: true"
        )


def _by_hand(settings: SyncSettings, url: str | None, given_secret: str | None) -> Iterator[str]:
    conn_id = SECRET_CONN_ID.format(sync=settings.name)
    if given_secret:
        yield f"Webhook: its secret is in the Airflow connection {conn_id}"
        return
    address = url or f"<Airflow's address as Chatwoot reaches it>{URL_PREFIX}/webhooks/{settings.name}"
    yield "Webhook: not set up, so changes wait for the schedule. To get them within seconds, either"
    yield (
        "  set webhook.api_conn_id in the sync file to an HTTP connection whose password is an "
        "administrator's access token, and run krayin_setup again; or"
    )
    yield f"  enter in Chatwoot, Settings > Integrations > Webhooks: URL {address}"
    yield f"  with the events {', '.join(SUBSCRIPTIONS)};"
    yield (
        "  then copy the secret Chatwoot shows there into the password of a new Airflow connection named "
        f"{conn_id}, type Generic"
    )
