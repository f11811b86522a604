"""What Airflow shows in its connection form for the type "Krayin CRM"."""

from __future__ import annotations

from typing import Any


def get_provider_info() -> dict[str, Any]:
    """Return the description of this provider in the form Airflow reads from an entry point."""
    return {
        "package-name": "chatwoot-krayin-sync",
        "name": "Krayin CRM",
        "description": "Krayin CRM through its REST API",
        "versions": ["0.1.0"],
        "connection-types": [
            {
                "connection-type": "krayin",
                "hook-class-name": "krayin.hook.KrayinHook",
                "hook-name": "Krayin CRM",
                "ui-field-behaviour": {
                    "hidden-fields": ["schema", "login", "port"],
                    "relabeling": {"host": "API URL", "password": "Sanctum token"},
                    "placeholders": {
                        "host": "https://crm.example.com/api/v1",
                        "password": "1|… (made once for a user of its own)",
                    },
                },
                "conn-fields": {
                    "requests_per_minute": {
                        "label": "Requests per minute",
                        "description": ("Calls a minute of this API user. Empty: `auto`."),
                        "schema": {"type": ["integer", "null"], "minimum": 1},
                    },
                },
            }
        ],
    }
