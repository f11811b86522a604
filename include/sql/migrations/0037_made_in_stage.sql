-- Purpose: the stage in which a lead was made may be another one for each inbox; whoever moved it since is told by it.
SET LOCAL search_path = krayin_sync;

ALTER TABLE mapping ADD COLUMN made_in_stage integer;
