-- Purpose: write plan rows.
-- Parameters: rows by COPY, columns as named.
-- Indexes: none needed to insert.
COPY krayin_sync.operation
    (run_id, sync_name, lane, target_id, installation_id, account_id, source_kind, source_id, payload,
     source_read_at, natural_keys, forecast_calls, forecast_reads, releases, state, error_class,
     error_message, candidates, next_attempt_at, finished_at, source_changed_at,
     contact_id, waits_for, changes, removes)
FROM STDIN
