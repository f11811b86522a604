"""Renders `docs/data-model.md` from the comments in a sync database; `make reference` writes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg

_HEAD = """\
# Views for dashboards

Written by `make reference` from the comments in a migrated sync database; a test fails when the two differ.
`\\d+ krayin_sync.runs` in psql shows the same.

The views are in schema `krayin_sync` of the sync database, beside the tables they read
([how it works](how-it-works.md#the-sync-database)). Tables may change from version to version. Views keep
their columns, and new columns come last. Times are `timestamptz`, shares run from 0 to 1, durations are
seconds. After the semicolon comes an example. How far back a view reaches depends on what the maintenance
DAG keeps.

Only `open_findings.detail` holds values of contacts. A company's id in Chatwoot is its name
(`open_findings.source_id`).

## A role that may only read them

A view reads with its owner's rights, so this role sees the views and none of the tables. Leave the last line
out if nobody needs the values on both sides of a difference.

```sql
CREATE ROLE krayin_reports LOGIN PASSWORD 'choose one';
GRANT USAGE ON SCHEMA krayin_sync TO krayin_reports;
GRANT SELECT ON
    {harmless}
    TO krayin_reports;
GRANT SELECT ON krayin_sync.open_findings TO krayin_reports;
```

## Examples

The share of contacts that Krayin does not have yet, over time:

```sql
SELECT finished_at, 1 - coverage AS missing
FROM krayin_sync.coverage_history WHERE sync_name = 'chatwoot' AND depth = 'full' ORDER BY finished_at;
```

The Krayin records of a contact:

```sql
SELECT external_ids FROM krayin_sync.external_ids WHERE account_id = 1 AND contact_id = 17;
```

The share of a day's calls that was used:

```sql
SELECT day, calls / (60 * 24 * u.allowed_per_minute)::numeric AS share
FROM krayin_sync.calls_per_day JOIN krayin_sync.budget_use AS u USING (krayin) ORDER BY day;
```
"""
PERSONAL = "open_findings"
# The views with their columns and what the comments say of them, as they were made.
COLUMNS = """
SELECT view.relname,
       obj_description(view.oid, 'pg_class'),
       attribute.attname,
       CASE format_type(attribute.atttypid, attribute.atttypmod)
           WHEN 'timestamp with time zone' THEN 'timestamptz'
           ELSE format_type(attribute.atttypid, attribute.atttypmod)
       END,
       col_description(view.oid, attribute.attnum)
FROM pg_catalog.pg_class AS view
JOIN pg_catalog.pg_attribute AS attribute ON attribute.attrelid = view.oid AND attribute.attnum > 0
WHERE view.relnamespace = 'krayin_sync'::regnamespace AND view.relkind = 'v'
ORDER BY view.oid, attribute.attnum
"""
BAR = r"\|"


def render(connection: psycopg.Connection) -> str:
    """Return the Markdown of `docs/data-model.md`; `connection` leads to a migrated sync database."""
    columns = connection.execute(COLUMNS).fetchall()
    views = dict.fromkeys((view, about) for view, about, *_ in columns)
    harmless = ",\n    ".join(f"krayin_sync.{view}" for view, _ in sorted(views) if view != PERSONAL)
    parts = [_HEAD.replace("{harmless}", harmless)]
    for view, about in views:
        parts.append(f"\n## {view}\n\n{about}\n\n| column | type | meaning |\n|---|---|---|\n")
        parts += _rows(columns, view)
    return "".join(parts)


def _rows(columns: list[tuple[str, str, str, str, str]], view: str) -> Iterator[str]:
    for of, _, name, kind, meaning in columns:
        if of == view:
            yield f"| `{name}` | {kind} | {meaning.replace('|', BAR)} |\n"
