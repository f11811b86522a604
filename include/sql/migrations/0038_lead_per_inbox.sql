-- Purpose: a contact may have a lead for each inbox. Its own lead stays where it is kept and notes whose it is; each
-- further one is a source record of its own, `<contact>/<inbox>`.
SET LOCAL search_path = krayin_sync;

ALTER TABLE mapping ADD COLUMN inbox_id bigint;

-- Rows there are hold by the narrower check: they need not be looked through.
ALTER TABLE mapping DROP CONSTRAINT mapping_source_kind_check;
ALTER TABLE mapping ADD CONSTRAINT mapping_source_kind_check
    CHECK (source_kind IN ('contact', 'conversation', 'message', 'company', 'stage', 'lead')) NOT VALID;
ALTER TABLE operation DROP CONSTRAINT operation_source_kind_check;
ALTER TABLE operation ADD CONSTRAINT operation_source_kind_check
    CHECK (source_kind IN ('contact', 'conversation', 'message', 'company', 'stage', 'lead')) NOT VALID;
ALTER TABLE finding DROP CONSTRAINT finding_source_kind_check;
ALTER TABLE finding ADD CONSTRAINT finding_source_kind_check
    CHECK (source_kind IN ('contact', 'conversation', 'message', 'company', 'stage', 'lead')) NOT VALID;
ALTER TABLE operation DROP CONSTRAINT operation_waits_for_check;
ALTER TABLE operation ADD CONSTRAINT operation_waits_for_check
    CHECK (waits_for IN ('person', 'lead') OR waits_for LIKE 'lead/%') NOT VALID;

-- Of leads for a further inbox: by their contact.
CREATE INDEX mapping_further_leads ON mapping (scope_id, split_part(source_id, '/', 1)) WHERE source_kind = 'lead';
