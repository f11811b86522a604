-- Purpose: webhooks: what Chatwoot sent and waits to be acted upon, and how each sync's webhook is signed.
-- Parameters: none. Run once, in one transaction, by the migration tool.

-- One accepted webhook. An event only says that its entities may have changed; its body is never written to Krayin.
CREATE TABLE krayin_sync.inbox_event (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sync_name    text NOT NULL,
    delivery_id  uuid,
    event        text NOT NULL,
    -- What to read anew, as kind:id; the ids of conversations are display ids of the sync's account.
    entities     text[] NOT NULL,
    signed       boolean NOT NULL,
    content_hash bytea NOT NULL,
    body         bytea NOT NULL,
    received_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- Taken by a run that has yet to read Chatwoot.
    claimed_at   timestamptz,
    -- Its entities were read and planned, in the transaction that sets this.
    processed_at timestamptz,
    run_id       bigint REFERENCES krayin_sync.sync_run ON DELETE SET NULL
);
-- The same delivery again is no news: what it tells of was read after the first one came.
CREATE UNIQUE INDEX inbox_event_delivery ON krayin_sync.inbox_event (sync_name, delivery_id)
    WHERE delivery_id IS NOT NULL;
-- The same content is no news only while the first one still waits: afterwards it may tell of a later change.
CREATE UNIQUE INDEX inbox_event_waiting ON krayin_sync.inbox_event (sync_name, content_hash)
    WHERE claimed_at IS NULL;
CREATE INDEX inbox_event_open ON krayin_sync.inbox_event (sync_name, id) WHERE processed_at IS NULL;
CREATE INDEX inbox_event_claimed ON krayin_sync.inbox_event (sync_name, claimed_at DESC)
    WHERE claimed_at IS NOT NULL;
CREATE INDEX inbox_event_processed ON krayin_sync.inbox_event (processed_at) WHERE processed_at IS NOT NULL;

-- The webhook that setup registered in Chatwoot for a sync; the secret is encrypted with Airflow's Fernet key.
CREATE TABLE krayin_sync.webhook (
    sync_name     text PRIMARY KEY,
    url           text NOT NULL,
    chatwoot_id   bigint NOT NULL,
    secret        bytea,
    registered_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
