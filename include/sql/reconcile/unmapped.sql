-- Purpose: records that Chatwoot has in the scope of a sync and the mapping does not know: left out so far, or lost.
-- Parameters: sync_name, stream, target_id, installation_id, account_id, bits (of a key within its bucket), source_kind.
-- Indexes: checksum_bucket_pkey, mapping_target_id_installation_id_account_id_source_kind_so_key.
SELECT (bucket.bucket << %(bits)s::integer) + seen.place - 1
FROM krayin_sync.checksum_stream AS stream
JOIN krayin_sync.checksum_bucket AS bucket ON bucket.stream_id = stream.id
CROSS JOIN LATERAL unnest(bucket.hashes) WITH ORDINALITY AS seen (hash, place)
WHERE stream.sync_name = %(sync_name)s AND stream.stream = %(stream)s AND stream.target_id = %(target_id)s
  AND stream.installation_id = %(installation_id)s AND stream.account_id = %(account_id)s
  AND seen.hash IS NOT NULL
  AND NOT EXISTS (
      SELECT 1 FROM krayin_sync.mapping AS mapping
      WHERE mapping.target_id = %(target_id)s AND mapping.installation_id = %(installation_id)s
        AND mapping.account_id = %(account_id)s AND mapping.source_kind = %(source_kind)s
        AND mapping.source_id = ((bucket.bucket << %(bits)s::integer) + seen.place - 1)::text)
