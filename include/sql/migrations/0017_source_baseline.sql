-- Purpose: what a sync knows of its Chatwoot from the last look that was whole, so that a lying one is noticed.
-- Parameters: none. Run once, in one transaction, by the migration tool.
SET LOCAL search_path = krayin_sync;

CREATE TABLE source_baseline (
    sync_name       text NOT NULL,
    target_id       integer NOT NULL REFERENCES krayin_target,
    installation_id integer NOT NULL REFERENCES chatwoot_installation,
    account_id      bigint NOT NULL,
    -- See reconciliation.extract.baseline.Baseline: counts, ids and times; no contents.
    document        jsonb NOT NULL,
    noted_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (sync_name, target_id, installation_id, account_id)
);
