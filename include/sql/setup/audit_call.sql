-- Purpose: one audit row for one call to Krayin; no bodies, no token.
-- Parameters: at, target_id, run_id, operation_id, lane, method, route, status, milliseconds, remaining, outcome.
-- Indexes: none needed to insert.
INSERT INTO krayin_sync.api_call
    (at, target_id, run_id, operation_id, lane, method, route, status, milliseconds, remaining, outcome)
VALUES
    (%(at)s, %(target_id)s, %(run_id)s, %(operation_id)s, %(lane)s, %(method)s, %(route)s, %(status)s,
     %(milliseconds)s, %(remaining)s, %(outcome)s)
