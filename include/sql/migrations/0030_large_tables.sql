-- Purpose: what tables need that have grown large: to lose old rows without looking at others, and fresh statistics.
SET LOCAL search_path = krayin_sync;

-- Asked for each operation that is deleted.
CREATE INDEX finding_of_operation ON finding (operation_id) WHERE operation_id IS NOT NULL;
-- Asked for each run that is deleted; webhooks go long before it.
ALTER TABLE inbox_event DROP CONSTRAINT inbox_event_run_id_fkey;

-- The daily clean-up begins with what ended first, and with what ended first and still holds contents.
CREATE INDEX operation_ended ON operation (finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX operation_holding ON operation (finished_at) WHERE finished_at IS NOT NULL AND payload <> '{}';

-- Our records are only counted when Krayin's list has become much shorter since it was last read.
ALTER TABLE crm_snapshot_watermark ADD COLUMN total bigint;

-- A fifth of ten million rows is late.
ALTER TABLE mapping SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
ALTER TABLE operation SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
ALTER TABLE crm_snapshot SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
ALTER TABLE crm_snapshot_key SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
ALTER TABLE api_call SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
