-- Purpose: contacts that a sync's rules leave out though they have records in Krayin, which stay as they are.
SET LOCAL search_path = krayin_sync;

CREATE TABLE out_of_scope (
    sync_name  text NOT NULL,
    scope_id   integer NOT NULL REFERENCES scope,
    contact_id bigint NOT NULL,
    since      timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (sync_name, scope_id, contact_id)
);
