-- Purpose: linked records without a Krayin id or an origin.
-- Parameters: none.
-- Indexes: none: a scan.
SELECT count(*) FROM krayin_sync.mapping WHERE state = 'linked' AND (crm_id IS NULL OR origin IS NULL)
