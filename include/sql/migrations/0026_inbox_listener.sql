-- Purpose: a run that has acted on webhooks stays and listens for more. Meanwhile nobody starts another one.
SET LOCAL search_path = krayin_sync;

CREATE TABLE inbox_listener (
    sync_name text PRIMARY KEY,
    until     timestamptz NOT NULL
);
