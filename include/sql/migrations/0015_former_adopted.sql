-- Purpose: which of a contact's former leads were there before us: an erasure keeps these, and a deletion their person.
-- Parameters: none. Run once, in one transaction, by the migration tool.
SET LOCAL search_path = krayin_sync;

ALTER TABLE mapping
    -- Those of former_crm_ids that we had adopted.
    ADD COLUMN former_adopted_ids bigint[] NOT NULL DEFAULT '{}';
