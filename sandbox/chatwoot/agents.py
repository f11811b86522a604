"""The accounts of the sandbox with their agents, teams, inboxes, labels and attribute definitions."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sandbox.chatwoot.insertion import insert_row

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from random import Random

    from psycopg import Connection

INSTALLATION = "INSTALLATION_IDENTIFIER"
_AGENTS = ("Ada Brandt", "Bruno Lima", "Chloé Martin", "Deniz Kaya", "Eli Navon", "Farah Idris")
_TEAMS = ("sales", "support", "billing")
LABELS = ("vip", "lead", "billing", "bug", "refund", "newsletter", "follow-up", "spam")
# Attribute model 1 is the contact's, 0 the conversation's; display types as in Chatwoot's enum.
_ATTRIBUTES: tuple[tuple[str, str, int, int, list[str]], ...] = (
    ("Plan", "plan", 1, 6, ["free", "pro", "enterprise"]),
    ("Lead value", "lead_value", 1, 2, []),
    ("Renewal date", "renewal_date", 1, 5, []),
    ("Newsletter", "newsletter", 1, 7, []),
    ("Job title", "job_title", 1, 0, []),
    ("Company", "company", 1, 0, []),
    ("Website", "website", 1, 4, []),
    ("Order number", "order_number", 0, 0, []),
    ("Severity", "severity", 0, 6, ["low", "high"]),
)
# Channel type, its table, the inbox's name, the columns the channel needs beside account_id.
_CHANNELS: tuple[tuple[str, str, str, dict[str, Any]], ...] = (
    (
        "Channel::WebWidget",
        "channel_web_widgets",
        "Website",
        {"website_url": "https://{d}", "website_token": "web-{a}", "hmac_token": "hmac-{a}"},
    ),
    (
        "Channel::Email",
        "channel_email",
        "Mailbox",
        {"email": "help@{d}", "forward_to_email": "fwd-{a}@{d}"},
    ),
    ("Channel::Whatsapp", "channel_whatsapp", "WhatsApp", {"phone_number": "+1202555010{a}"}),
    (
        "Channel::Api",
        "channel_api",
        "Shop API",
        {
            "identifier": "api-{a}",
            "hmac_token": "api-hmac-{a}",
            "webhook_url": "https://shop.{d}/chatwoot",
        },
    ),
    (
        "Channel::TwilioSms",
        "channel_twilio_sms",
        "Twilio SMS",
        {"phone_number": "+1202555011{a}", "auth_token": "sample", "account_sid": "AC-sample-{a}"},
    ),
    ("Channel::Sms", "channel_sms", "Bandwidth SMS", {"phone_number": "+1202555012{a}"}),
    (
        "Channel::FacebookPage",
        "channel_facebook_pages",
        "Facebook",
        {"page_id": "10000{a}", "user_access_token": "sample", "page_access_token": "sample"},
    ),
    (
        "Channel::Instagram",
        "channel_instagram",
        "Instagram",
        {"access_token": "sample", "expires_at": "2030-01-01", "instagram_id": "17840{a}"},
    ),
    (
        "Channel::Telegram",
        "channel_telegram",
        "Telegram",
        {"bot_name": "acme_bot", "bot_token": "sample-{a}"},
    ),
    (
        "Channel::Line",
        "channel_line",
        "LINE",
        {
            "line_channel_id": "165{a}",
            "line_channel_secret": "sample",
            "line_channel_token": "sample",
        },
    ),
    (
        "Channel::Tiktok",
        "channel_tiktok",
        "TikTok",
        {
            "business_id": "tt-{a}",
            "access_token": "sample",
            "expires_at": "2030-01-01",
            "refresh_token": "sample",
            "refresh_token_expires_at": "2030-01-01",
        },
    ),
)
_SMALL_ACCOUNT_CHANNELS = 3


@dataclass(frozen=True, slots=True)
class Office:
    """One account as made: ids by inbox channel type, label title, and of agents and teams."""

    account_id: int
    inboxes: Mapping[str, int]
    agents: tuple[int, ...]
    agent_names: Mapping[int, str]
    teams: tuple[int, ...]
    bot: int
    tags: Mapping[str, int]


def open_offices(
    connection: Connection[Any], accounts: int, opened: datetime, random: Random
) -> list[Office]:
    """Insert the installation's identifier and `accounts` accounts, opened at `opened` (UTC)."""
    identifier = str(uuid.UUID(int=random.getrandbits(128), version=4))
    insert_row(
        connection,
        "installation_configs",
        {
            "name": INSTALLATION,
            "serialized_value": json.dumps({"value": identifier}),
            "created_at": opened,
            "updated_at": opened,
        },
    )
    insert_row(
        connection,
        "ar_internal_metadata",
        {"key": "environment", "value": "production", "created_at": opened, "updated_at": opened},
        returning="key",
    )
    tags = {label: insert_row(connection, "tags", {"name": label, "taggings_count": 0}) for label in LABELS}
    return [_open(connection, number, opened, tags) for number in range(1, accounts + 1)]


def _open(connection: Connection[Any], number: int, opened: datetime, tags: Mapping[str, int]) -> Office:
    stamps = {"created_at": opened, "updated_at": opened}
    name = "Acme Support" if number == 1 else f"Globex Helpdesk {number}"
    domain = "acme.example.com" if number == 1 else f"globex{number}.example.org"
    account = insert_row(connection, "accounts", {"name": name, "domain": domain, "status": 0, **stamps})
    agents = _hire(connection, account, _AGENTS if number == 1 else _AGENTS[:2], domain, opened)
    teams = tuple(
        insert_row(connection, "teams", {"name": team, "account_id": account, **stamps}) for team in _TEAMS
    )
    for team, agent in zip(teams, agents, strict=False):
        insert_row(connection, "team_members", {"team_id": team, "user_id": agent, **stamps})
    for label in LABELS:
        insert_row(
            connection, "labels", {"title": label, "account_id": account, "show_on_sidebar": True, **stamps}
        )
    for display, key, model, kind, values in _ATTRIBUTES:
        insert_row(
            connection,
            "custom_attribute_definitions",
            {
                "attribute_display_name": display,
                "attribute_key": key,
                "attribute_model": model,
                "attribute_display_type": kind,
                "attribute_values": json.dumps(values),
                "account_id": account,
                **stamps,
            },
        )
    bot = insert_row(
        connection, "agent_bots", {"name": "Greeter", "account_id": account, "bot_type": 0, **stamps}
    )
    channels = _CHANNELS if number == 1 else _CHANNELS[:_SMALL_ACCOUNT_CHANNELS]
    inboxes = {
        kind: _add_inbox(connection, account, (kind, table, title, fields), domain, opened)
        for kind, table, title, fields in channels
    }
    for inbox in inboxes.values():
        for agent in agents:
            insert_row(connection, "inbox_members", {"user_id": agent, "inbox_id": inbox, **stamps})
    return Office(
        account, inboxes, tuple(agents), agents, teams, bot, tags,
    )  # fmt: skip


def _hire(
    connection: Connection[Any], account: int, names: tuple[str, ...], domain: str, opened: datetime
) -> dict[int, str]:
    stamps = {"created_at": opened, "updated_at": opened}
    agents: dict[int, str] = {}
    for position, name in enumerate(names):
        email = f"{name.split()[0].lower()}@{domain}"
        user = insert_row(
            connection,
            "users",
            {
                "name": name,
                "email": email,
                "uid": email,
                "pubsub_token": f"sample-{account}-{position}",
                "confirmed_at": opened,
                "availability": 0,
                **stamps,
            },
        )
        insert_row(
            connection,
            "account_users",
            {"account_id": account, "user_id": user, "role": 1 if position == 0 else 0, **stamps},
        )
        agents[user] = name
    return agents


def _add_inbox(
    connection: Connection[Any],
    account: int,
    channel: tuple[str, str, str, dict[str, Any]],
    domain: str,
    opened: datetime,
) -> int:
    kind, table, title, fields = channel
    stamps = {"created_at": opened, "updated_at": opened + timedelta(days=1)}
    values = {name: text.format(a=account, d=domain) for name, text in fields.items()}
    channel_id = insert_row(connection, table, {"account_id": account, **values, **stamps})
    inbox: int = insert_row(
        connection,
        "inboxes",
        {"name": title, "channel_type": kind, "channel_id": channel_id, "account_id": account, **stamps},
    )
    return inbox
