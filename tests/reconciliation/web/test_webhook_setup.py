from __future__ import annotations

import asyncio

import httpx
import pytest
from cryptography.fernet import Fernet
from reconciliation.settings.sync_settings import SyncSettings
from reconciliation.store.secret_box import NoFernetKeyError, SecretBox
from reconciliation.web.sync_registry import Dependencies, SyncRegistry
from reconciliation.web.webhook_setup import set_up_webhook, url_of

from sandbox.chatwoot import webhooks
from tests.chatwoot.webhook.test_registration import Chatwoot

BASE = "https://airflow.example.com/"
KEY = Fernet.generate_key().decode()


def settings(**webhook):
    return SyncSettings.model_validate({"name": "shop", "chatwoot": {"account_id": 3}, "webhook": webhook})


def lines(sync_db_url, sync=None, *, api=None, base_url=BASE, given_secret=None, key=KEY):
    return "\n".join(
        set_up_webhook(
            sync or settings(), sync_db_url, base_url=base_url, api=api, given_secret=given_secret,
            box=lambda: SecretBox(key),
        )
    )  # fmt: skip


def secrets_of(sync_db_url, key=KEY, given=None):
    async def scenario():
        registry = SyncRegistry(Dependencies(lambda: sync_db_url, lambda _: given, lambda: SecretBox(key)))
        try:
            return await registry.secrets("shop")
        finally:
            await registry.close()

    return asyncio.run(scenario())


def test_with_a_token_the_webhook_is_registered_and_its_secret_kept_encrypted(sync_db_url, sync_db):
    chatwoot = Chatwoot()
    said = lines(sync_db_url, api=chatwoot.api())
    assert "made: https://airflow.example.com/chatwoot/webhooks/shop" in said
    assert chatwoot.webhooks[0]["url"] == "https://airflow.example.com/chatwoot/webhooks/shop"
    (sealed,) = sync_db.execute("SELECT secret FROM krayin_sync.webhook").fetchone()
    assert b"madeByChatwoot" not in bytes(sealed)
    assert "madeByChatwoot" not in said
    assert secrets_of(sync_db_url) == ("madeByChatwoot",)
    assert "found:" in lines(sync_db_url, api=chatwoot.api())


def test_both_the_registered_secret_and_the_entered_one_are_good(sync_db_url):
    lines(sync_db_url, api=Chatwoot().api())
    assert secrets_of(sync_db_url, given="entered") == ("madeByChatwoot", "entered")
    assert secrets_of(sync_db_url, given="madeByChatwoot") == ("madeByChatwoot",)


def test_keys_can_be_renewed_and_a_lost_key_only_loses_the_secret(sync_db_url):
    lines(sync_db_url, api=Chatwoot().api())
    newer = Fernet.generate_key().decode()
    assert secrets_of(sync_db_url, f"{newer},{KEY}") == ("madeByChatwoot",)
    assert secrets_of(sync_db_url, newer) == ()


@pytest.mark.parametrize("key", ["", "no key"])
def test_without_a_fernet_key_no_secret_is_kept(sync_db_url, sync_db, key):
    with pytest.raises(NoFernetKeyError, match="AIRFLOW__CORE__FERNET_KEY"):
        lines(sync_db_url, api=Chatwoot().api(), key=key)
    assert sync_db.execute("SELECT count(*) FROM krayin_sync.webhook").fetchone() == (0,)


def test_without_a_token_it_says_exactly_what_to_enter(sync_db_url):
    said = lines(sync_db_url)
    for needed in (
        "https://airflow.example.com/chatwoot/webhooks/shop", "contact_created", "message_updated",
        "chatwoot_webhook_shop", "webhook.api_conn_id",
    ):  # fmt: skip
        assert needed in said
    assert "chatwoot_webhook_shop" in lines(sync_db_url, given_secret="entered")
    assert "entered" not in lines(sync_db_url, given_secret="entered")


def test_what_stands_in_the_way_is_said(sync_db_url):
    assert "SAFE_FETCH_ALLOW_PRIVATE_NETWORK" in lines(sync_db_url, base_url="http://localhost:8080")
    assert "SAFE_FETCH_ALLOW_PRIVATE_NETWORK" not in lines(sync_db_url)
    assert "webhook.url" in lines(sync_db_url, base_url="", api=Chatwoot().api())
    assert "allow_unsigned" in lines(sync_db_url, api=Chatwoot(signs=False).api())
    assert "without a signature" in lines(sync_db_url, settings(allow_unsigned=True))


def test_a_webhook_of_an_earlier_address_is_named_and_left_to_people(sync_db_url):
    chatwoot = Chatwoot()
    lines(sync_db_url, api=chatwoot.api())
    moved = lines(sync_db_url, api=chatwoot.api(), base_url="https://new.example.com")
    assert "Webhook 1 of an earlier address is still in Chatwoot: https://airflow.example.com/" in moved
    assert "Delete it" in moved
    assert len(chatwoot.webhooks) == 2
    assert "earlier" not in lines(sync_db_url, api=chatwoot.api(), base_url="https://new.example.com")


def test_the_address_of_the_file_wins():
    assert url_of(settings(url="https://hooks.example.com/a"), BASE) == "https://hooks.example.com/a"
    assert url_of(settings(), None) is None


def test_the_receiver_alone_needs_no_airflow(sync_db_url, sync_db, tmp_path, monkeypatch):
    from reconciliation.web.webhook_app import standalone

    (tmp_path / "shop.yaml").write_text("name: my-shop\nchatwoot: {account_id: 1}\n")
    (tmp_path / "bad.yaml").write_text("name: bad\n")
    monkeypatch.setenv("KRAYIN_SYNC_SYNCS", str(tmp_path))
    monkeypatch.setenv("KRAYIN_SYNC_DATABASE_URL", sync_db_url)
    monkeypatch.setenv("CHATWOOT_WEBHOOK_SECRET_MY_SHOP", "secret-of-my-shop")
    body = webhooks.encode(webhooks.contact_created(8))

    async def scenario():
        app = standalone()
        transport = httpx.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://receiver") as client,
        ):
            return [
                (
                    await client.post(
                        f"/webhooks/{name}", content=body, headers=webhooks.headers(secret, body)
                    )
                ).status_code
                for name, secret in (("my-shop", "secret-of-my-shop"), ("my-shop", "wrong"), ("bad", "wrong"))
            ]

    assert asyncio.run(scenario()) == [200, 401, 404]
    assert sync_db.execute("SELECT sync_name, entities FROM krayin_sync.inbox_event").fetchall() == [
        ("my-shop", ["contact:8"])
    ]
