-- Purpose: write plan rows that hang on a contact.
-- Parameters: rows by COPY, columns as named.
-- Indexes: none needed to insert.
COPY krayin_sync.operation
    (run_id, sync_name, lane, target_id, installation_id, account_id, source_kind, source_id, payload,
     source_read_at, forecast_calls, forecast_reads, next_attempt_at, contact_id, waits_for, changes)
FROM STDIN
