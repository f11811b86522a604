-- Purpose: a contact may get a person and no lead; the row of its lead says so.
SET LOCAL search_path = krayin_sync;

ALTER TABLE mapping DROP CONSTRAINT mapping_state_check;
ALTER TABLE mapping ADD CONSTRAINT mapping_state_check
    CHECK (state IN ('pending', 'linked', 'gone', 'orphaned', 'quarantined', 'not_wanted')) NOT VALID;
ALTER TABLE mapping VALIDATE CONSTRAINT mapping_state_check;
