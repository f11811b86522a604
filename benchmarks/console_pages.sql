-- What a sync database holds that has grown large: statements of benchmarks/console_pages.py, one after the other.
-- Parameters: bindings, calls, findings.

INSERT INTO krayin_target (base_url) VALUES ('http://crm.example/api/v1');

INSERT INTO chatwoot_installation (identity) VALUES ('one');

INSERT INTO scope (target_id, installation_id, account_id) VALUES (1, 1, 1);

INSERT INTO sync_run (sync_name, kind, state, started_at, finished_at, summary)
SELECT 'test', 'scheduled', 'done', now() - n * interval '15 minutes', now() - n * interval '15 minutes',
       '{"read": 180, "created": {"person": 9, "lead": 9}, "updated": {"person": 40, "lead": 12}, "calls": 90}'
FROM generate_series(5000, 1, -1) AS n;

INSERT INTO watermark (sync_name, stream, scope_id, position, settings_hash, run_id)
VALUES ('test', 'contacts', 1, '{}', '', 5000);

INSERT INTO mapping (target_id, scope_id, source_kind, source_id, crm_kind, crm_id, origin, state, source_hash,
                     acked_hash, last_sent, acked_at)
SELECT 1, 1, 'contact', n, kind, n, 'created', 'linked', int8send(n), int8send(n),
       CASE kind WHEN 'person' THEN jsonb_build_object('name', 'Person ' || n, 'emails', ARRAY['p' || n || '@example.org'],
                                                       'phones', ARRAY['+4930' || 1000000 + n])
            ELSE jsonb_build_object('title', 'Person ' || n) END, now()
FROM generate_series(1, %(bindings)s / 2) AS n, (VALUES ('person'), ('lead')) AS kinds (kind);

INSERT INTO crm_snapshot (target_id, crm_kind, crm_id, hash, facts, seen_at)
SELECT 1, 'person', n, int8send(n),
       jsonb_build_object('name', 'Person ' || n, 'emails', ARRAY['p' || n || '@example.org'],
                          'phones', ARRAY['+4930' || 1000000 + n], 'job_title', NULL, 'organization_id', NULL,
                          'organization_name', NULL, 'owner_id', 1), now()
FROM generate_series(1, %(bindings)s / 2) AS n;

INSERT INTO crm_snapshot_key (target_id, crm_kind, key, crm_id)
SELECT 1, 'person', key, n
FROM generate_series(1, %(bindings)s / 2) AS n,
     LATERAL (VALUES ('email:p' || n || '@example.org'), ('phone:+4930' || 1000000 + n)) AS keys (key);

INSERT INTO operation (run_id, sync_name, lane, target_id, scope_id, source_kind, source_id, payload, source_read_at,
                       forecast_calls, state, created_at, finished_at, source_changed_at, natural_keys, error_class, candidates)
SELECT 1 + n %% 5000, 'test', 1, 1, 1, 'contact', 1 + n %% (%(bindings)s / 2),
       CASE WHEN n <= 500 THEN '{"person": {"name": "Ada", "emails": ["ada@example.org"], "phones": []}}' ELSE '{}' END::jsonb,
       now(), 1, CASE WHEN n <= 500 THEN 'quarantined' WHEN n > 0.9 * %(bindings)s THEN 'planned' ELSE 'done' END,
       now() - n * interval '5 seconds',
       CASE WHEN n <= 0.9 * %(bindings)s THEN now() - n * interval '5 seconds' END, now() - n * interval '5.1 seconds', ARRAY['email:p' || n || '@example.org'],
       CASE WHEN n <= 500 THEN 'ambiguous_person' END,
       CASE WHEN n <= 500 THEN jsonb_build_array(jsonb_build_object('person', n), jsonb_build_object('person', n + 1)) END
FROM generate_series(1, %(bindings)s) AS n;

INSERT INTO api_call (at, target_id, run_id, operation_id, lane, method, route, status, milliseconds, outcome)
SELECT now() - (%(calls)s - n) * interval '80 days' / %(calls)s, 1, 1 + n * 5000 / (%(calls)s + 1),
       CASE WHEN n %% 2 = 0 THEN n / 2 %% %(bindings)s END, 1, 'PUT', 'leads/{id}', 200, 90, 'answered'
FROM generate_series(1, %(calls)s::bigint) AS n;

INSERT INTO reconciliation (run_id, sync_name, scope_id, depth, started_at, finished_at, counts)
SELECT n, 'test', 1, 'full', now() - (180 - n) * interval '1 day', now() - (180 - n) * interval '1 day' + interval '1 hour',
       jsonb_build_object('in_scope', %(bindings)s / 2, 'in_sync', %(bindings)s / 2 - n)
FROM generate_series(1, 180) AS n;

INSERT INTO finding (reconciliation_id, sync_name, scope_id, key, source_kind, source_id, contact_id, crm_kind, crm_id,
                     class, field, side, detail, repair, state, first_seen, ended_at)
SELECT 180, 'test', 1, n, 'contact', n, n, 'person', n, 'changed',
       (ARRAY['name', 'emails', 'phones', 'job_title'])[1 + n %% 4], (ARRAY['ours', 'theirs'])[1 + n / 4 %% 2],
       '{"chatwoot": "one", "krayin": "another"}', 'write', CASE WHEN n %% 3 = 0 THEN 'repaired' ELSE 'reported' END,
       now() - (n %% 180) * interval '1 day', CASE WHEN n %% 3 = 0 THEN now() - (n %% 180) * interval '12 hours' END
FROM generate_series(1, %(findings)s) AS n;

INSERT INTO decision (sync_name, scope_id, answer, contact_id, finding_id, decided_by)
SELECT 'test', 1, 'accept', n, n, 'ada' FROM generate_series(1, %(findings)s / 10) AS n;

INSERT INTO inbox_event (sync_name, event, entities, signed, content_hash, body, received_at, claimed_at, processed_at)
SELECT 'test', 'contact_updated', ARRAY['contact:' || 1 + n %% (%(bindings)s / 2), 'conversation:' || n], true, '', '',
       now() - n * interval '2 seconds', now(), now()
FROM generate_series(1, %(bindings)s / 4) AS n;

VACUUM ANALYZE;
