"""Conversations: list, filter, one of them, its messages, labels and reporting events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.chatwoot_api.conditions import condition
from sandbox.chatwoot_api.errors import AnsweredError, not_found
from sandbox.chatwoot_api.shapes import (
    CONVERSATION,
    MESSAGE,
    PUSHED_CONTACT,
    agent,
    tidy_conversation,
    tidy_message,
)

if TYPE_CHECKING:
    from sandbox.chatwoot_api.calls import Call

PAGE = 25
_STATUSES = {"open": 0, "resolved": 1, "pending": 2, "snoozed": 3}
_SORTS = {
    "last_activity_at_asc": "conversation.last_activity_at ASC",
    "last_activity_at_desc": "conversation.last_activity_at DESC",
    "created_at_asc": "conversation.created_at ASC",
    "created_at_desc": "conversation.created_at DESC",
}
_FILTERS = {
    "status": ("(ARRAY['open', 'resolved', 'pending', 'snoozed'])[conversation.status + 1]", "text"),
    "assignee_id": ("conversation.assignee_id", "number"),
    "inbox_id": ("conversation.inbox_id", "number"),
    "team_id": ("conversation.team_id", "number"),
    "contact_id": ("conversation.contact_id", "number"),
    "display_id": ("conversation.display_id", "number"),
    "campaign_id": ("conversation.campaign_id", "number"),
    "created_at": ("conversation.created_at", "day"),
    "last_activity_at": ("conversation.last_activity_at", "day"),
}
_AGE = "clock_timestamp() AT TIME ZONE 'UTC' - make_interval(secs => %(seconds)s)"


def index(call: Call) -> Any:
    """`GET /conversations`: with `updated_within` everything that matches comes at once."""
    where = "true"
    parameters: dict[str, Any] = {}
    status = call.query.get("status", "open")
    if status != "all":
        where += " AND conversation.status = %(status)s"
        parameters["status"] = _STATUSES.get(status, 0)
    if call.query.get("inbox_id", "").isdigit():
        where += " AND conversation.inbox_id = %(inbox_id)s"
        parameters["inbox_id"] = int(call.query["inbox_id"])
    if call.query.get("source_id"):
        where += (
            " AND conversation.contact_inbox_id IN (SELECT link.id FROM contact_inboxes AS link "
            "WHERE link.source_id = %(source_id)s)"
        )
        parameters["source_id"] = call.query["source_id"]
    within = call.query.get("updated_within", "")
    pages = not (within.isdigit() and call.settings.knows_updated_within)
    if not pages:
        where += f" AND conversation.updated_at > {_AGE}"
        parameters["seconds"] = int(within)
    order = _SORTS.get(call.query.get("sort_by", ""), _SORTS["last_activity_at_desc"])
    size = call.settings.conversations_per_page
    meta, rows = _listed(call, where, parameters, order, page=size if pages else None)
    return {"data": {"meta": meta, "payload": rows}}


def filtered(call: Call) -> Any:
    """`POST /conversations/filter`."""
    known = _FILTERS
    if not call.settings.filters_by_contact:
        known = {key: column for key, column in _FILTERS.items() if key != "contact_id"}
    where, parameters = condition(call.json(), known)
    meta, rows = _listed(call, where, parameters, _SORTS["last_activity_at_desc"], page=PAGE)
    return {"meta": meta, "payload": rows}


def show(call: Call) -> Any:
    """`GET /conversations/{id}`."""
    found = call.documents(
        f"SELECT {CONVERSATION} FROM conversations AS conversation "
        "WHERE conversation.account_id = %(account_id)s AND conversation.display_id = %(id)s"
    )
    if not found:
        raise not_found()
    return tidy_conversation(found[0])


def messages(call: Call) -> Any:
    """`GET /conversations/{id}/messages`: the latest 20, 20 before, 100 after an id, or 1,000 of a range."""
    meta = _meta(call)
    after, before = (_number(call.query.get(name, "")) for name in ("after", "before"))
    internal = call.query.get("filter_internal_messages", "")
    where = "AND NOT (message.private OR message.message_type = 2)" if internal else ""
    if after is not None and before is not None:
        where += " AND message.id >= %(after)s AND message.id < %(before)s"
        order, limit = "ASC", 1_000
    elif before is not None:
        where += " AND message.id < %(before)s"
        order, limit = "DESC", 20
    elif after is not None:
        where += " AND message.id > %(after)s"
        order, limit = "ASC", 100
    else:
        order, limit = "DESC", 20
    found = call.documents(
        f"SELECT {MESSAGE} FROM messages AS message "
        "JOIN conversations AS conversation ON conversation.id = message.conversation_id "
        "WHERE conversation.account_id = %(account_id)s AND conversation.display_id = %(id)s "
        f"{where} ORDER BY message.created_at {order} LIMIT {limit}",
        after=after,
        before=before,
    )
    if order == "DESC":
        found.reverse()
    return {"meta": meta, "payload": [tidy_message(row) for row in found]}


def labels(call: Call) -> Any:
    """`GET /conversations/{id}/labels`."""
    return {"payload": show(call)["labels"]}


def reporting_events(call: Call) -> Any:
    """`GET /conversations/{id}/reporting_events`, oldest first."""
    show(call)
    time = 'to_char(event.{}, \'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"\')'
    return call.documents(
        f"""
        SELECT jsonb_build_object(
            'id', event.id, 'name', event.name, 'value', event.value,
            'value_in_business_hours', coalesce(event.value_in_business_hours, 0),
            'event_start_time', {time.format("event_start_time")},
            'event_end_time', {time.format("event_end_time")},
            'account_id', event.account_id, 'conversation_id', event.conversation_id,
            'inbox_id', event.inbox_id, 'user_id', event.user_id,
            'created_at', {time.format("created_at")}, 'updated_at', {time.format("updated_at")}
        )
        FROM reporting_events AS event
        JOIN conversations AS conversation ON conversation.id = event.conversation_id
        WHERE conversation.account_id = %(account_id)s AND conversation.display_id = %(id)s
        ORDER BY event.created_at, event.id
        """
    )


def _listed(call: Call, where: str, parameters: dict[str, Any], order: str, *, page: int | None) -> Any:
    where = f"conversation.account_id = %(account_id)s AND {where}"
    counts = call.rows(
        "SELECT count(*) FILTER (WHERE conversation.assignee_id = %(user_id)s) AS mine_count, "
        "count(*) FILTER (WHERE conversation.assignee_id IS NOT NULL) AS assigned_count, "
        "count(*) FILTER (WHERE conversation.assignee_id IS NULL) AS unassigned_count, count(*) AS all_count "
        f"FROM conversations AS conversation WHERE {where}",
        user_id=call.user_id,
        **parameters,
    )[0]
    # First which, then what they carry: the carrying is dear.
    limit = "" if page is None else f"LIMIT {page} OFFSET %(offset)s"
    found = call.documents(
        f"""
        SELECT {CONVERSATION}
        FROM (
            -- Rows of one moment come in no order: another one for each page is what PostgreSQL may do.
            SELECT
                conversation.*,
                row_number() OVER (ORDER BY {order}, md5(conversation.id::text || %(salt)s)) AS place
            FROM conversations AS conversation
            WHERE {where}
            ORDER BY place {limit}
        ) AS conversation
        ORDER BY conversation.place
        """,
        offset=(call.page - 1) * (page or 0),
        salt=str(call.page),
        **parameters,
    )
    return counts, [tidy_conversation(row) for row in found]


def _meta(call: Call) -> Any:
    found = call.documents(
        f"""
        SELECT jsonb_build_object(
            'labels', coalesce(
                to_jsonb(string_to_array(nullif(conversation.cached_label_list, ''), ', ')), '[]'),
            'additional_attributes', coalesce(conversation.additional_attributes, '{{}}'),
            'contact', (
                SELECT {PUSHED_CONTACT} FROM contacts AS contact WHERE contact.id = conversation.contact_id
            ),
            'assignee', (
                SELECT {agent("conversation.account_id")} FROM users AS agent
                WHERE agent.id = conversation.assignee_id
            ),
            'agent_last_seen_at', to_char(conversation.agent_last_seen_at, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
            'assignee_last_seen_at',
                to_char(conversation.assignee_last_seen_at, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
        )
        FROM conversations AS conversation
        WHERE conversation.account_id = %(account_id)s AND conversation.display_id = %(id)s
        """
    )
    if not found:
        raise not_found()
    meta: dict[str, Any] = found[0]
    if meta["assignee"] is None:
        del meta["assignee"]
    return meta


def _number(text: str) -> int | None:
    if not text:
        return None
    if not text.lstrip("-").isdigit():
        raise AnsweredError(422, {"error": "Invalid parameter"})
    return int(text)
