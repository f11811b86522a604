"""What the database of a fresh Krayin holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.krayin import php

if TYPE_CHECKING:
    from sandbox.krayin.tables import Database

ADMIN_EMAIL = "admin@example.com"
ADMIN_PASSWORD = "admin123"

STAGES = (
    ("new", "New", 100),
    ("follow-up", "Follow Up", 100),
    ("prospect", "Prospect", 100),
    ("negotiation", "Negotiation", 100),
    ("won", "Won", 100),
    ("lost", "Lost", 0),
)
SOURCES = ("Email", "Web", "Web Form", "Phone", "Direct")
TYPES = ("New Business", "Existing Business")

# id, code, name, type, lookup_type, entity_type, sort_order, validation, is_required, is_unique
ATTRIBUTES: tuple[tuple[Any, ...], ...] = (
    (1, "title", "Title", "text", None, "leads", 1, None, 1, 0),
    (2, "description", "Description", "textarea", None, "leads", 2, None, 0, 0),
    (3, "lead_value", "Lead Value", "price", None, "leads", 3, "decimal", 1, 0),
    (4, "lead_source_id", "Source", "select", "lead_sources", "leads", 4, None, 1, 0),
    (5, "lead_type_id", "Type", "select", "lead_types", "leads", 5, None, 1, 0),
    (6, "user_id", "Sales Owner", "select", "users", "leads", 7, None, 0, 0),
    (7, "expected_close_date", "Expected Close Date", "date", None, "leads", 8, None, 0, 0),
    (8, "lead_pipeline_id", "Pipeline", "lookup", "lead_pipelines", "leads", 9, None, 1, 0),
    (9, "lead_pipeline_stage_id", "Stage", "lookup", "lead_pipeline_stages", "leads", 10, None, 1, 0),
    (28, "name", "Name", "text", None, "persons", 1, None, 1, 0),
    (29, "emails", "Emails", "email", None, "persons", 2, None, 1, 1),
    (30, "contact_numbers", "Contact Numbers", "phone", None, "persons", 3, "numeric", 0, 1),
    (31, "job_title", "Job Title", "text", None, "persons", 4, None, 0, 0),
    (32, "user_id", "Sales Owner", "lookup", "users", "persons", 5, None, 0, 0),
    (33, "organization_id", "Organization", "lookup", "organizations", "persons", 6, None, 0, 0),
    (34, "name", "Name", "text", None, "organizations", 1, None, 1, 1),
    (35, "address", "Address", "address", None, "organizations", 2, None, 0, 0),
    (36, "user_id", "Sales Owner", "lookup", "users", "organizations", 3, None, 0, 0),
    (37, "name", "Name", "text", None, "products", 1, None, 1, 0),
    (38, "description", "Description", "textarea", None, "products", 2, None, 0, 0),
    (39, "sku", "SKU", "text", None, "products", 3, None, 1, 1),
    (40, "quantity", "Quantity", "text", None, "products", 4, "numeric", 1, 0),
    (41, "price", "Price", "price", None, "products", 5, "decimal", 1, 0),
    (42, "user_id", "Sales Owner", "select", "users", "quotes", 1, None, 1, 0),
    (43, "subject", "Subject", "text", None, "quotes", 2, None, 1, 0),
    (44, "description", "Description", "textarea", None, "quotes", 3, None, 0, 0),
    (45, "billing_address", "Billing Address", "address", None, "quotes", 4, None, 1, 0),
    (46, "shipping_address", "Shipping Address", "address", None, "quotes", 5, None, 0, 0),
    (47, "discount_percent", "Discount Percent", "text", None, "quotes", 6, "decimal", 0, 0),
    (48, "discount_amount", "Discount Amount", "price", None, "quotes", 7, "decimal", 0, 0),
    (49, "tax_amount", "Tax Amount", "price", None, "quotes", 8, "decimal", 0, 0),
    (50, "adjustment_amount", "Adjustment Amount", "price", None, "quotes", 9, "decimal", 0, 0),
    (51, "sub_total", "Sub Total", "price", None, "quotes", 10, "decimal", 1, 0),
    (52, "grand_total", "Grand Total", "price", None, "quotes", 11, "decimal", 1, 0),
    (53, "expired_at", "Expired At", "date", None, "quotes", 12, None, 1, 0),
    (54, "person_id", "Person", "lookup", "persons", "quotes", 13, None, 1, 0),
    (55, "name", "Name", "text", None, "warehouses", 1, None, 1, 0),
    (56, "description", "Description", "textarea", None, "warehouses", 2, None, 0, 0),
    (57, "contact_name", "Contact Name", "text", None, "warehouses", 3, None, 1, 0),
    (58, "contact_emails", "Contact Emails", "email", None, "warehouses", 4, None, 1, 1),
    (59, "contact_numbers", "Contact Numbers", "phone", None, "warehouses", 5, "numeric", 0, 1),
    (60, "contact_address", "Contact Address", "address", None, "warehouses", 6, None, 1, 0),
)

ACTIVITY_CONDITIONS = [
    {
        "value": ["call", "meeting", "lunch"],
        "operator": "{}",
        "attribute": "type",
        "attribute_type": "multiselect",
    }
]
WORKFLOWS = (
    ("Emails to participants after activity creation", "activity.create.after", "1"),
    ("Emails to participants after activity updation", "activity.update.after", "2"),
)


def plant(
    database: Database,
    now: str,
    token: str,
    *,
    reseeded: dict[int, dict[str, Any]],
    emails_required: bool,
) -> None:
    """Empty the database and put what a new installation holds.

    Args:
        database: all tables.
        now: local time of the installation, 'Y-m-d H:i:s'.
        token: API token that the administrator (user 1) gets, with or without an ``id|`` prefix.
        reseeded: id of an attribute below -> columns that this release seeds otherwise.
        emails_required: the flag of the persons attribute ``emails``, 1 as shipped.
    """
    database.clear()
    times = {"created_at": now, "updated_at": now}
    database["roles"].insert(
        {"name": "Administrator", "description": "Administrator Role", "permission_type": "all"}
    )
    database["users"].insert(
        {
            "name": "Example",
            "email": ADMIN_EMAIL,
            "password": ADMIN_PASSWORD,
            "status": 1,
            "role_id": 1,
            "view_permission": "global",
            **times,
        }
    )
    number, _, secret = token.rpartition("|")
    database["personal_access_tokens"].insert(
        {
            "id": int(number) if number.isdigit() else 1,
            "user_id": 1,
            "name": "sandbox",
            "token": secret,
            "abilities": '["*"]',
            **times,
        }
    )
    database["lead_pipelines"].insert(
        {"name": "Default Pipeline", "is_default": 1, "rotten_days": 30, **times}
    )
    for order, (code, name, probability) in enumerate(STAGES, 1):
        database["lead_pipeline_stages"].insert(
            {
                "code": code,
                "name": name,
                "probability": probability,
                "sort_order": order,
                "lead_pipeline_id": 1,
            }
        )
    for table, names in (("lead_sources", SOURCES), ("lead_types", TYPES)):
        for name in names:
            database[table].insert({"name": name, **times})
    fields = ("id", "code", "name", "type", "lookup_type", "entity_type", "sort_order", "validation")
    for row in ATTRIBUTES:
        values = dict(zip((*fields, "is_required", "is_unique"), row, strict=True))
        values |= {"quick_add": 1, "is_user_defined": 0, **reseeded.get(row[0], {})}
        database["attributes"].insert({**values, **times})
    if not emails_required:
        database["attributes"].update(29, {"is_required": 0})
    for name, event, template in WORKFLOWS:
        database["workflows"].insert(
            {
                "name": name,
                "description": name,
                "entity_type": "activities",
                "event": event,
                "condition_type": "and",
                "conditions": php.encode_json(ACTIVITY_CONDITIONS),
                "actions": php.encode_json([{"id": "send_email_to_participants", "value": template}]),
                **times,
            }
        )
