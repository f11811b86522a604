-- Purpose: which tags we put on a record, as nothing in Krayin tells.
SET LOCAL search_path = krayin_sync;

ALTER TABLE mapping ADD COLUMN given_tags jsonb;
