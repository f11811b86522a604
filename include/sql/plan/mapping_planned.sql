-- Purpose: note which version of each record was planned.
-- Parameters: ids (bigint[]), source_hashes (bytea[]), states (text[]), source_read_at.
-- Indexes: mapping_pkey.
UPDATE krayin_sync.mapping AS mapping
SET source_hash = planned.source_hash,
    state = planned.state,
    source_read_at = %(source_read_at)s,
    planned_at = clock_timestamp()
FROM unnest(%(ids)s::bigint[], %(source_hashes)s::bytea[], %(states)s::text[]) AS planned (id, source_hash, state)
WHERE mapping.id = planned.id
