"""What the tasks of the setup DAG do."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

from reconciliation.run.setup import check_sync
from reconciliation.settings.airflow_connections import connection_named, given_secret, sync_dsn
from reconciliation.settings.sync_files import sync_named
from reconciliation.tasks.opening import open_sync
from reconciliation.tasks.telling import log_lines, telling

if TYPE_CHECKING:
    from collections.abc import Iterator


def migrate() -> None:
    """Bring the sync database to the newest schema."""
    from reconciliation import migrations  # noqa: PLC0415 - alembic takes half a second to import

    migrations.upgrade(sync_dsn())


def check(name: str) -> None:
    """Check one sync: connections, settings against Krayin; write what was found to the log."""
    log_lines(telling(lambda: list(check_sync(open_sync(name)))))
    log_lines(telling(lambda: list(_webhook(name))))


def _webhook(name: str) -> Iterator[str]:
    from airflow.configuration import conf  # noqa: PLC0415 - the hot path does without all of these
    from chatwoot.api.hook import ChatwootApiHook  # noqa: PLC0415

    from reconciliation.sync_database.secret_box import airflow_box  # noqa: PLC0415
    from reconciliation.webhook.setup import set_up_webhook  # noqa: PLC0415

    settings = sync_named(name)
    conn_id, account_id = settings.webhook.api_conn_id, settings.chatwoot.account_id
    if conn_id is not None:
        connection_named(conn_id, "Chatwoot's API, type HTTP")
    with nullcontext() if conn_id is None else ChatwootApiHook(conn_id, account_id).get_conn() as api:
        yield from set_up_webhook(
            settings,
            sync_dsn(),
            base_url=conf.get("api", "base_url", fallback=None),
            api=api,
            given_secret=given_secret(name),
            box=airflow_box,
        )
