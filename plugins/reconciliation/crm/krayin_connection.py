"""What a sync needs of its Krayin: a paced, audited client and what this Krayin is set up with."""

from __future__ import annotations

import logging
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import psycopg
from krayin.catalogue import Catalogue, load_catalogue
from krayin.dialect import Dialect
from krayin.errors import KrayinError
from krayin.permits import NoopLimiter
from krayin.rate_limiter import UNHEARD, RateBudget
from psycopg.types.json import Jsonb
from statements import statement

from reconciliation.crm.lineage import compare_setup
from reconciliation.crm.person_deletions import PersonDeletions
from reconciliation.crm.reads import CurrentAttributes
from reconciliation.store.binding_scope import register_target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from krayin.client import KrayinClient
    from krayin.hook import KrayinHook
    from krayin.permits import Lane, LimitFeedback, Permit
    from krayin.session import ApiCall

    from reconciliation.settings.sync_settings import KrayinSettings

log = logging.getLogger(__name__)

CATALOGUE_AGE = timedelta(hours=1)
DIALECT_AGE = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class OpenKrayin:
    """A Krayin ready for work.

    `requests_per_minute` is what the budget allowed when it was opened, or the number set.
    """

    client: KrayinClient
    target_id: int
    catalogue: Catalogue
    attributes: CurrentAttributes
    budget: RateBudget
    requests_per_minute: int
    deletions: PersonDeletions


class _Unaccounted(NoopLimiter):
    """Lets the one call pass that finds out whose budget is to be used, and remembers its answer."""

    def __init__(self) -> None:
        self.answers: list[LimitFeedback] = []

    def settle(self, permit: Permit, answer: LimitFeedback | None) -> None:  # noqa: ARG002 - the port's signature
        if answer is not None:
            self.answers.append(answer)


@contextmanager
def open_krayin(  # noqa: PLR0913 - what a run knows of itself
    connection: psycopg.Connection,
    connect: Callable[[], psycopg.Connection],
    access: KrayinHook,
    settings: KrayinSettings,
    *,
    lane: Lane,
    run_id: int | None,
    fresh: bool = False,
) -> Iterator[OpenKrayin]:
    """Open a Krayin for a run: the catalogue is read at most once an hour, `fresh` reads it now.

    Its attributes are read anew before records are written over. How this Krayin answers is kept for a
    day with the target, and what the run learned of it at its end.

    `connect` opens further connections to the sync database, for the budget. Every call is
    written to `api_call` for `run_id`.

    Raises:
        KrayinError: the address or token is wrong, or Krayin does not answer.
    """
    pace = settings.requests_per_minute or access.requests_per_minute()
    key = access.key()
    kept = None if fresh else _kept_catalogue(connection, key)
    age = 0.0
    early: list[ApiCall] = []
    first = _Unaccounted()
    if kept is None:
        with access.client(first, early.append) as client:
            base_url = client.base_url
            try:
                user_id = client.whoami().id
            except KrayinError:
                # A dead token must show in the audit, as alerts read it; a wrong address gets no target.
                known = connection.execute(
                    statement("krayin_target/known"), {"base_url": base_url}
                ).fetchone()
                if known is not None:
                    for call in early:
                        write_call(connection, call, target_id=known[0], run_id=run_id, lane=lane)
                raise
        target_id = register_target(connection, base_url)
    else:
        target_id, catalogue, age = kept
        user_id = catalogue.user.id

    def audit(call: ApiCall) -> None:
        write_call(connection, call, target_id=target_id, run_id=run_id, lane=lane)

    for call in early:
        audit(call)
    budget = RateBudget(
        connect,
        f"target:{target_id}#user:{user_id}",
        requests_per_minute=settings.max_requests_per_minute if pace == "auto" else pace,
        auto=pace == "auto",
        lane=lane,
    )
    try:
        for answer in first.answers:
            budget.settle(budget.acquire(), answer)
        with (
            access.client(budget, audit) as client,
            _with_dialect(connection, target_id, client, is_new=kept is None),
        ):
            if kept is None:
                catalogue = load_catalogue(client)
                compare_setup(connection, target_id, catalogue)
                connection.execute(
                    statement("krayin_catalogue/write"),
                    {"connection_key": key, "target_id": target_id, "document": Jsonb(catalogue.to_json())},
                )
            attributes = CurrentAttributes(
                catalogue, client, age=age, keep=partial(_keep_attributes, connection, key)
            )
            client.may_search = catalogue.user.view_permission == "global"
            deletions = PersonDeletions.of(client, connect, target_id, user_id)
            with deletions.budget:
                now = _pace_now(budget) if pace == "auto" else pace
                yield OpenKrayin(client, target_id, catalogue, attributes, budget, now, deletions)
    finally:
        budget.close()


def _pace_now(budget: RateBudget) -> int:
    state = budget.state()
    return UNHEARD if state is None else state.limit


@contextmanager
def _with_dialect(
    connection: psycopg.Connection, target_id: int, client: KrayinClient, *, is_new: bool
) -> Iterator[None]:
    """Let a client know how its Krayin answers, and keep what it learns; anyway if the catalogue `is_new`.

    A catalogue that the client found outdated is read anew by the next run.
    """
    row = connection.execute(
        statement("krayin_target/dialect_read"), {"target_id": target_id, "max_age": DIALECT_AGE}
    ).fetchone()
    known = Dialect() if row is None else Dialect.from_json(row[0])
    client.dialect = known
    try:
        yield
    finally:
        if client.setup_changed:
            with suppress(psycopg.Error):
                connection.execute(statement("krayin_catalogue/expire"), {"target_id": target_id})
        if is_new or client.dialect != known:
            document = Jsonb(client.dialect.to_json())
            # What ended the run is worth more than this: it is learned again.
            with suppress(psycopg.Error):
                connection.execute(
                    statement("krayin_target/dialect_write"),
                    {"target_id": target_id, "document": document, "max_age": DIALECT_AGE},
                )


def _keep_attributes(connection: psycopg.Connection, key: str, catalogue: Catalogue) -> None:
    connection.execute(
        statement("krayin_catalogue/attributes_write"),
        {"connection_key": key, "document": Jsonb(catalogue.to_json())},
    )


def _kept_catalogue(connection: psycopg.Connection, key: str) -> tuple[int, Catalogue, float] | None:
    row = connection.execute(
        statement("krayin_catalogue/read"),
        {"connection_key": key, "max_age": CATALOGUE_AGE, "dialect_age": DIALECT_AGE},
    ).fetchone()
    if row is None:
        return None
    try:
        return row[0], Catalogue.from_json(row[1]), float(row[2])
    except ValueError:
        log.info("The stored catalogue was written by another version; it is read again.")
        return None


def write_call(
    connection: psycopg.Connection, call: ApiCall, *, target_id: int, run_id: int | None, lane: Lane
) -> None:
    """Write one call to the audit."""
    connection.execute(
        statement("api_call/add"),
        {
            **asdict(call),
            "target_id": target_id,
            "run_id": run_id,
            "operation_id": int(call.operation_id) if call.operation_id is not None else None,
            "lane": int(lane),
            "milliseconds": round(call.milliseconds),
        },
    )
