-- Purpose: how each Krayin answers, learned from its answers and kept for a day.
-- Parameters: none. Run once, in one transaction, by the migration tool.
SET LOCAL search_path = krayin_sync;

ALTER TABLE krayin_target
    -- As far as it showed; see plugins/krayin/dialect.py.
    ADD COLUMN dialect jsonb NOT NULL DEFAULT '{}',
    -- When that was begun to be learned.
    ADD COLUMN dialect_learned_at timestamptz;

ALTER TABLE krayin_catalogue
    -- They are read more often than the rest: a write that leaves out a boolean attribute resets it.
    ADD COLUMN attributes_read_at timestamptz;
