"""The account's people and places: profile, inboxes, agents, teams, labels, attribute definitions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.chatwoot_api.errors import not_found
from sandbox.chatwoot_api.shapes import TEAM, agent

if TYPE_CHECKING:
    from sandbox.chatwoot_api.calls import Call

_INBOX = """
    jsonb_build_object(
        'id', inbox.id, 'avatar_url', '', 'channel_id', inbox.channel_id, 'name', inbox.name,
        'channel_type', inbox.channel_type, 'greeting_enabled', inbox.greeting_enabled,
        'greeting_message', inbox.greeting_message, 'working_hours_enabled', inbox.working_hours_enabled,
        'enable_email_collect', inbox.enable_email_collect, 'csat_survey_enabled', inbox.csat_survey_enabled,
        'enable_auto_assignment', inbox.enable_auto_assignment, 'timezone', inbox.timezone,
        'allow_messages_after_resolved', inbox.allow_messages_after_resolved
    )
"""
_DISPLAY_TYPES = "ARRAY['text', 'number', 'currency', 'percent', 'link', 'date', 'list', 'checkbox']"


def profile(call: Call) -> Any:
    """`GET /api/v1/profile`: the token's user with the accounts it is in."""
    return call.documents(
        """
        SELECT jsonb_build_object(
            'id', agent.id, 'name', agent.name, 'display_name', agent.display_name,
            'available_name', coalesce(nullif(agent.display_name, ''), agent.name), 'email', agent.email,
            'uid', agent.uid, 'provider', agent.provider, 'confirmed', agent.confirmed_at IS NOT NULL,
            'avatar_url', '', 'type', agent.type,
            'accounts', (
                SELECT jsonb_agg(jsonb_build_object(
                    'id', account.id, 'name', account.name,
                    'status', CASE account.status WHEN 1 THEN 'suspended' ELSE 'active' END,
                    'role', CASE member.role WHEN 1 THEN 'administrator' ELSE 'agent' END,
                    'permissions', '[]'::jsonb, 'availability', 'online', 'availability_status', 'online',
                    'auto_offline', true, 'active_at', null, 'custom_role_id', null, 'custom_role', null
                ) ORDER BY account.id)
                FROM account_users AS member JOIN accounts AS account ON account.id = member.account_id
                WHERE member.user_id = agent.id
            )
        )
        FROM users AS agent WHERE agent.id = %(user_id)s
        """,
        user_id=call.user_id,
    )[0]


def inboxes(call: Call) -> Any:
    """`GET /inboxes`."""
    found = call.documents(
        f"SELECT {_INBOX} FROM inboxes AS inbox WHERE inbox.account_id = %(account_id)s ORDER BY inbox.name"
    )
    return {"payload": found}


def inbox(call: Call) -> Any:
    """`GET /inboxes/{id}`."""
    found = call.documents(
        f"SELECT {_INBOX} FROM inboxes AS inbox WHERE inbox.account_id = %(account_id)s AND inbox.id = %(id)s"
    )
    if not found:
        raise not_found()
    return found[0]


def agents(call: Call) -> Any:
    """`GET /agents`, a bare list."""
    return call.documents(
        f"SELECT {agent('member.account_id')} FROM account_users AS member "
        "JOIN users AS agent ON agent.id = member.user_id "
        "WHERE member.account_id = %(account_id)s ORDER BY lower(agent.name)"
    )


def teams(call: Call) -> Any:
    """`GET /teams`, a bare list."""
    return call.documents(
        f"SELECT {TEAM} FROM teams AS team WHERE team.account_id = %(account_id)s ORDER BY team.id"
    )


def labels(call: Call) -> Any:
    """`GET /labels`."""
    found = call.documents(
        "SELECT jsonb_build_object('id', label.id, 'title', label.title, 'description', label.description, "
        "'color', label.color, 'show_on_sidebar', label.show_on_sidebar) FROM labels AS label "
        "WHERE label.account_id = %(account_id)s ORDER BY label.title"
    )
    return {"payload": found}


def attribute_definitions(call: Call) -> Any:
    """`GET /custom_attribute_definitions`, a bare list; model 0 are the conversation's, 1 the contact's."""
    return call.documents(
        f"""
        SELECT jsonb_build_object(
            'id', attribute.id, 'attribute_display_name', attribute.attribute_display_name,
            'attribute_display_type', ({_DISPLAY_TYPES})[attribute.attribute_display_type + 1],
            'attribute_description', attribute.attribute_description,
            'attribute_key', attribute.attribute_key,
            'attribute_values', attribute.attribute_values,
            'attribute_model',
                (ARRAY['conversation_attribute', 'contact_attribute'])[attribute.attribute_model + 1]
        )
        FROM custom_attribute_definitions AS attribute
        WHERE attribute.account_id = %(account_id)s
            AND (%(model)s::integer IS NULL OR attribute.attribute_model = %(model)s)
        ORDER BY attribute.id
        """,
        model=int(call.query["attribute_model"]) if call.query.get("attribute_model", "").isdigit() else None,
    )
