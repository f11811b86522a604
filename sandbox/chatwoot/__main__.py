"""Command line: create a Chatwoot database's tables and fill them with sample data."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import psycopg
import typer
from rich.console import Console
from rich.progress import Progress

from sandbox.chatwoot.sample import AlreadyFilledError, Sample, fill
from sandbox.chatwoot.schema import create_schema

_DEFAULT = Sample()


def main(  # noqa: PLR0913, PLR0917 - one parameter per option
    database_url: Annotated[
        str, typer.Option(envvar="CHATWOOT_DATABASE_URL", help="postgresql://… of an empty database")
    ],
    contacts: Annotated[int, typer.Option(min=0, help="Contacts of account 1.")] = _DEFAULT.contacts,
    conversations: Annotated[int, typer.Option(min=0)] = _DEFAULT.conversations,
    messages: Annotated[int, typer.Option(min=0)] = _DEFAULT.messages,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same rows.")] = 1,
    accounts: Annotated[int, typer.Option(min=1, max=9)] = 2,
    until: Annotated[
        datetime | None, typer.Option(help="UTC; the sample's last moment. Default: 2026-10-01.")
    ] = None,
) -> None:
    """Create Chatwoot 4.15.1 tables and fill them; a database with accounts is left as it is."""
    console = Console()
    sample = Sample(contacts, conversations, messages, seed, accounts)
    if until is not None:
        sample = Sample(contacts, conversations, messages, seed, accounts, until.replace(tzinfo=UTC))
    with psycopg.connect(database_url) as connection, Progress(console=console, transient=True) as progress:
        create_schema(connection)
        task = progress.add_task("contacts", total=contacts)
        try:
            fill(connection, sample, lambda added: progress.advance(task, added))
        except AlreadyFilledError:
            console.print("Chatwoot sample data is there already; nothing changed.")
            return
    console.print(
        f"Chatwoot sample: {contacts} contacts, {conversations} conversations, {messages} messages."
    )


if __name__ == "__main__":
    typer.run(main)
