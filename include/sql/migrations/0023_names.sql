-- Purpose: tables and columns get the names of the field; every row stays, and views follow by themselves.
SET LOCAL search_path = krayin_sync;
ALTER TABLE mapping RENAME COLUMN attempted TO pending_write;
ALTER TABLE contact_trace RENAME TO merge_evidence;
ALTER TABLE crm_snapshot_mark RENAME TO crm_snapshot_watermark;
ALTER TABLE watermark RENAME COLUMN mark TO position;
ALTER TABLE crm_snapshot_watermark RENAME COLUMN high_mark TO watermark;
ALTER TABLE sweep_stream RENAME TO checksum_stream;
ALTER TABLE checksum_stream RENAME COLUMN sweep_id TO diff_id;
ALTER TABLE sweep_bucket RENAME TO checksum_bucket;
ALTER SEQUENCE sweep_number RENAME TO checksum_diff_number;
ALTER TABLE sweep RENAME TO checksum_diff;
ALTER TABLE sweep_compared RENAME TO checksum_diff_compared;
ALTER TABLE checksum_diff_compared RENAME COLUMN sweep_id TO diff_id;
ALTER TABLE sweep_new_bucket RENAME TO checksum_diff_new_bucket;
ALTER TABLE checksum_diff_new_bucket RENAME COLUMN sweep_id TO diff_id;
ALTER TABLE sweep_difference RENAME TO checksum_diff_difference;
ALTER TABLE checksum_diff_difference RENAME COLUMN sweep_id TO diff_id;
-- Indexes, whose names plans and messages show.
DO $$
DECLARE
    index_name text;
    new_name text;
BEGIN
    FOR index_name IN
        SELECT relname FROM pg_class
        WHERE relnamespace = 'krayin_sync'::regnamespace AND relkind = 'i' AND relname ~ '^(sweep|contact_trace|crm_snapshot_mark)_'
    LOOP
        new_name := regexp_replace(index_name, '^sweep_(stream|bucket)_', 'checksum_\1_');
        new_name := regexp_replace(new_name, '^sweep_', 'checksum_diff_');
        new_name := regexp_replace(new_name, '^contact_trace_', 'merge_evidence_');
        new_name := regexp_replace(new_name, '^crm_snapshot_mark_', 'crm_snapshot_watermark_');
        EXECUTE 'ALTER INDEX ' || quote_ident(index_name) || ' RENAME TO ' || quote_ident(left(new_name, 63));
    END LOOP;
END
$$;
