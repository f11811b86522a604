-- Purpose: how many operations of a sync's DAG run are settled and how many are left; no row before the run has one.
-- Parameters: sync, run (id of the DAG run), open (states that are not settled).
-- Indexes: sync_run_of_dag_run, operation_of_run.
SELECT count(o.id) FILTER (WHERE NOT o.state = ANY(%(open)s)) AS settled,
       count(o.id) FILTER (WHERE o.state = ANY(%(open)s)) AS left
FROM krayin_sync.sync_run AS r
LEFT JOIN krayin_sync.operation AS o ON o.run_id = r.id
WHERE r.sync_name = %(sync)s AND r.dag_run_id = %(run)s
GROUP BY r.id;
