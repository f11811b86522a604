-- Purpose: what was new with a comparison, and what was gone, is counted without reading all differences.
SET LOCAL search_path = krayin_sync;
CREATE INDEX finding_seen ON finding (sync_name, first_seen);
CREATE INDEX finding_ended ON finding (sync_name, ended_at) WHERE ended_at IS NOT NULL;
