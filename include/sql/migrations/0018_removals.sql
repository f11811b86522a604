-- Purpose: what a plan removes or overwrites in Krayin is told from what it changes, and what was removed is
--          remembered with what it was before.
-- Parameters: none. Run once, in one transaction, by the migration tool.
SET LOCAL search_path = krayin_sync;

ALTER TABLE operation
    -- What it deletes, closes or overwrites of records that exist in Krayin: lead.closed, person.name.overwritten.
    ADD COLUMN removes text[] NOT NULL DEFAULT '{}';

-- Plans of earlier versions called the closing of a lead a move of its stage.
UPDATE operation
SET removes = array_replace(changes, 'lead.stage', 'lead.closed'),
    changes = array_replace(changes, 'lead.stage', 'lead.closed')
WHERE payload ? 'retire' AND changes <> '{}';

-- A record of ours that was closed or deleted because its source record was gone in Chatwoot: ids, and where a lead stood.
CREATE TABLE removal (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sync_name       text NOT NULL,
    target_id       integer NOT NULL REFERENCES krayin_target,
    installation_id integer NOT NULL REFERENCES chatwoot_installation,
    account_id      bigint NOT NULL,
    source_kind     text NOT NULL,
    source_id       text NOT NULL,
    crm_kind        text NOT NULL,
    crm_id          bigint NOT NULL,
    action          text NOT NULL CHECK (action IN ('closed', 'deleted')),
    -- Of a closed lead: stage_id and lost_reason as they were.
    before          jsonb NOT NULL DEFAULT '{}',
    -- Of a closed lead: stage_id, lost_reason and closed_at as Krayin answered; empty when no answer came.
    after           jsonb NOT NULL DEFAULT '{}',
    removed_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- When nothing was left to undo: the lead was reopened, the record made again, or somebody decided about it in
    -- Krayin (left).
    ended_at        timestamptz,
    ended_as        text CHECK (ended_as IN ('reopened', 'made_again', 'left'))
);
CREATE UNIQUE INDEX removal_standing ON removal (target_id, crm_kind, crm_id, action) WHERE ended_at IS NULL;
CREATE INDEX removal_of_source ON removal (target_id, installation_id, account_id, source_kind, source_id)
    WHERE ended_at IS NULL;
