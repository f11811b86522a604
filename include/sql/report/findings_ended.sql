-- Purpose: how many differences ended since a comparison began, by how.
-- Parameters: sync_name, since (timestamptz).
-- Indexes: none; few comparisons are reported.
SELECT state, count(*) AS findings
FROM krayin_sync.finding
WHERE sync_name = %(sync_name)s AND state IN ('repaired', 'resolved') AND ended_at >= %(since)s
GROUP BY state
