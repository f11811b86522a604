"""The JSON of single records, made by PostgreSQL; times are whole seconds since 1970 unless said."""

from __future__ import annotations

from typing import Any

# Left out where there is none, rather than null.
_OPTIONAL = ("sender", "attachments")


def tidy_contact(row: dict[str, Any]) -> dict[str, Any]:
    """Return a contact as Chatwoot writes it: without a last activity where there was none."""
    if row.get("last_activity_at") is None:
        row.pop("last_activity_at", None)
    return row


def tidy_message(row: dict[str, Any]) -> dict[str, Any]:
    """Return a message as Chatwoot writes it: without a sender or files where there are none."""
    return {key: value for key, value in row.items() if value is not None or key not in _OPTIONAL}


def tidy_conversation(row: dict[str, Any]) -> dict[str, Any]:
    """Return a conversation as Chatwoot writes it, with what it carries of others."""
    row["messages"] = [tidy_message(one) for one in row["messages"] if one is not None]
    latest = row["last_non_activity_message"]
    row["last_non_activity_message"] = None if latest is None else tidy_message(latest)
    if row["meta"]["sender"] is not None:
        tidy_contact(row["meta"]["sender"])
    return row


def seconds(column: str) -> str:
    """Return SQL for a time in whole seconds, NULL for none."""
    return f"floor(extract(epoch FROM {column}))::bigint"


def seconds_or_zero(column: str) -> str:
    """Return SQL for a time in whole seconds, 0 for none, as Ruby's `nil.to_i`."""
    return f"coalesce(floor(extract(epoch FROM {column})), 0)::bigint"


CONTACT = f"""
    jsonb_build_object(
        'additional_attributes', coalesce(contact.additional_attributes, '{{}}'),
        'availability_status', 'offline',
        'email', contact.email,
        'id', contact.id,
        'name', contact.name,
        'phone_number', contact.phone_number,
        'blocked', contact.blocked,
        'identifier', contact.identifier,
        'thumbnail', '',
        'custom_attributes', coalesce(contact.custom_attributes, '{{}}'),
        'last_activity_at', {seconds("contact.last_activity_at")},
        'created_at', {seconds("contact.created_at")}
    )
"""

CONTACT_INBOXES = """
    jsonb_build_object('contact_inboxes', coalesce((
        SELECT jsonb_agg(jsonb_build_object(
            'source_id', link.source_id,
            'inbox', jsonb_build_object(
                'id', inbox.id, 'avatar_url', '', 'channel_id', inbox.channel_id, 'name', inbox.name,
                'channel_type', inbox.channel_type, 'provider', null
            )
        ) ORDER BY link.id)
        FROM contact_inboxes AS link
        JOIN inboxes AS inbox ON inbox.id = link.inbox_id
        WHERE link.contact_id = contact.id
    ), '[]'))
"""

PUSHED_CONTACT = """
    jsonb_build_object(
        'additional_attributes', coalesce(contact.additional_attributes, '{}'),
        'custom_attributes', coalesce(contact.custom_attributes, '{}'),
        'email', contact.email, 'id', contact.id, 'identifier', contact.identifier,
        'name', contact.name, 'phone_number', contact.phone_number, 'thumbnail', '',
        'blocked', contact.blocked, 'type', 'contact'
    )
"""

_SENDER = f"""
    CASE message.sender_type
        WHEN 'Contact' THEN (
            SELECT {PUSHED_CONTACT}
            FROM contacts AS contact WHERE contact.id = message.sender_id
        )
        WHEN 'User' THEN (
            SELECT jsonb_build_object(
                'id', agent.id, 'name', agent.name,
                'available_name', coalesce(nullif(agent.display_name, ''), agent.name),
                'avatar_url', '', 'type', 'user', 'availability_status', 'offline', 'thumbnail', ''
            )
            FROM users AS agent WHERE agent.id = message.sender_id
        )
        WHEN 'AgentBot' THEN (
            SELECT jsonb_build_object('id', bot.id, 'name', bot.name, 'avatar_url', '', 'type', 'agent_bot')
            FROM agent_bots AS bot WHERE bot.id = message.sender_id
        )
        WHEN 'Captain::Assistant' THEN (
            SELECT jsonb_build_object(
                'id', assistant.id, 'name', assistant.name, 'avatar_url', '', 'type', 'captain_assistant'
            )
            FROM captain_assistants AS assistant WHERE assistant.id = message.sender_id
        )
    END
"""

_FILE_TYPES = (
    "ARRAY['image', 'audio', 'video', 'file', 'location', 'fallback', 'share', 'story_mention', 'contact', "
    "'ig_reel', 'ig_post', 'ig_story', 'embed']"
)
_ATTACHMENTS = f"""
    (
        SELECT jsonb_agg(jsonb_build_object(
            'id', attachment.id, 'message_id', attachment.message_id,
            'file_type', ({_FILE_TYPES})[coalesce(attachment.file_type, 0) + 1],
            'account_id', attachment.account_id
        ) || CASE
            WHEN attachment.file_type = 4 THEN jsonb_build_object(
                'coordinates_lat', attachment.coordinates_lat,
                'coordinates_long', attachment.coordinates_long,
                'fallback_title', attachment.fallback_title,
                'data_url', coalesce(attachment.external_url, ''))
            WHEN attachment.file_type = 5 THEN jsonb_build_object(
                'fallback_title', attachment.fallback_title,
                'data_url', coalesce(attachment.external_url, ''))
            WHEN attachment.file_type = 8 THEN jsonb_build_object(
                'fallback_title', attachment.fallback_title,
                'meta', coalesce(attachment.meta, '{{}}'))
            ELSE jsonb_build_object(
                'extension', attachment.extension,
                'data_url', CASE
                    WHEN blob.id IS NULL THEN coalesce(attachment.external_url, '')
                    ELSE 'http://chatwoot.invalid/rails/active_storage/blobs/redirect/signed-'
                        || blob.id || '/' || blob.filename
                END,
                'thumb_url', '', 'file_size', coalesce(blob.byte_size, 0), 'width', null, 'height', null)
        END ORDER BY attachment.id)
        FROM attachments AS attachment
        LEFT JOIN active_storage_attachments AS stored
            ON stored.record_type = 'Attachment' AND stored.record_id = attachment.id AND stored.name = 'file'
        LEFT JOIN active_storage_blobs AS blob ON blob.id = stored.blob_id
        WHERE attachment.message_id = message.id
    )
"""
_CONTENT_TYPES = (
    "ARRAY['text', 'input_text', 'input_textarea', 'input_email', 'input_select', 'cards', 'form', "
    "'article', 'incoming_email', 'input_csat', 'integrations', 'sticker', 'voice_call']"
)
MESSAGE = f"""
    jsonb_build_object(
        'id', message.id,
        'content', message.content,
        'inbox_id', message.inbox_id,
        'conversation_id', conversation.display_id,
        'message_type', message.message_type,
        'content_type', ({_CONTENT_TYPES})[message.content_type + 1],
        'status', (ARRAY['sent', 'delivered', 'read', 'failed'])[coalesce(message.status, 0) + 1],
        'content_attributes', CASE json_typeof(message.content_attributes)
            WHEN 'string' THEN (message.content_attributes #>> '{{}}')::jsonb
            ELSE coalesce(message.content_attributes::jsonb, '{{}}')
        END,
        'created_at', {seconds("message.created_at")},
        'private', message.private,
        'source_id', message.source_id,
        'sender', {_SENDER},
        'attachments', {_ATTACHMENTS}
    )
"""
PUSHED_MESSAGE = f"""
    {MESSAGE}
    || jsonb_build_object(
        'account_id', message.account_id,
        'updated_at', to_char(message.updated_at, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
        'sender_type', message.sender_type,
        'sender_id', message.sender_id,
        'external_source_ids', coalesce(message.external_source_ids, '{{}}'),
        'additional_attributes', coalesce(message.additional_attributes, '{{}}'),
        'processed_message_content', message.processed_message_content,
        'sentiment', coalesce(message.sentiment, '{{}}')
    )
"""


def agent(account: str) -> str:
    """Return SQL for the JSON of the user `agent` in an account (SQL as well)."""
    return f"""
    jsonb_build_object(
        'id', agent.id, 'account_id', {account}, 'availability_status', 'offline', 'auto_offline', true,
        'confirmed', agent.confirmed_at IS NOT NULL, 'email', agent.email,
        'available_name', coalesce(nullif(agent.display_name, ''), agent.name), 'name', agent.name,
        'role', coalesce((
            SELECT CASE member.role WHEN 1 THEN 'administrator' ELSE 'agent' END
            FROM account_users AS member
            WHERE member.user_id = agent.id AND member.account_id = {account}
        ), 'agent'),
        'thumbnail', ''
    )
"""


TEAM = """
    jsonb_build_object(
        'id', team.id, 'name', team.name, 'description', team.description,
        'allow_auto_assign', coalesce(team.allow_auto_assign, true), 'account_id', team.account_id,
        'is_member', false
    )
"""


def _latest(kinds: str = "") -> str:
    return f"""
    (
        SELECT {PUSHED_MESSAGE}
        FROM messages AS message
        WHERE message.conversation_id = conversation.id AND message.account_id = conversation.account_id
            {kinds}
        ORDER BY message.id DESC
        LIMIT 1
    )
"""


CONVERSATION = f"""
    jsonb_build_object(
        'meta', jsonb_build_object(
            'sender', (
                SELECT {CONTACT} FROM contacts AS contact WHERE contact.id = conversation.contact_id
            ),
            'channel', (
                SELECT inbox.channel_type FROM inboxes AS inbox WHERE inbox.id = conversation.inbox_id
            ),
            'hmac_verified', false
        )
        || coalesce((
            SELECT jsonb_build_object('assignee', {agent("conversation.account_id")}, 'assignee_type', 'User')
            FROM users AS agent
            WHERE agent.id = conversation.assignee_id
        ), (
            SELECT jsonb_build_object(
                'assignee', jsonb_build_object('id', bot.id, 'name', bot.name, 'thumbnail', ''),
                'assignee_type', 'AgentBot')
            FROM agent_bots AS bot
            WHERE bot.id = conversation.assignee_agent_bot_id
        ), '{{}}')
        || coalesce((
            SELECT jsonb_build_object('team', {TEAM}) FROM teams AS team WHERE team.id = conversation.team_id
        ), '{{}}'),
        'id', conversation.display_id,
        'messages', jsonb_build_array({_latest()}),
        'account_id', conversation.account_id,
        'uuid', conversation.uuid,
        'additional_attributes', coalesce(conversation.additional_attributes, '{{}}'),
        'agent_last_seen_at', {seconds_or_zero("conversation.agent_last_seen_at")},
        'assignee_last_seen_at', {seconds_or_zero("conversation.assignee_last_seen_at")},
        'can_reply', true,
        'contact_last_seen_at', {seconds_or_zero("conversation.contact_last_seen_at")},
        'custom_attributes', coalesce(conversation.custom_attributes, '{{}}')
    )
    || jsonb_build_object(
        'inbox_id', conversation.inbox_id,
        'labels', coalesce(to_jsonb(string_to_array(nullif(conversation.cached_label_list, ''), ', ')), '[]'),
        'muted', false,
        'snoozed_until', {seconds("conversation.snoozed_until")},
        'status', (ARRAY['open', 'resolved', 'pending', 'snoozed'])[conversation.status + 1],
        'created_at', {seconds("conversation.created_at")},
        'updated_at', extract(epoch FROM conversation.updated_at)::double precision,
        'timestamp', {seconds("conversation.last_activity_at")},
        'first_reply_created_at', {seconds_or_zero("conversation.first_reply_created_at")},
        'unread_count', 0,
        'last_non_activity_message', {_latest("AND message.message_type <> 2")},
        'last_activity_at', {seconds("conversation.last_activity_at")},
        'priority', (ARRAY['low', 'medium', 'high', 'urgent'])[conversation.priority + 1],
        'waiting_since', {seconds_or_zero("conversation.waiting_since")},
        'sla_policy_id', conversation.sla_policy_id
    )
"""
