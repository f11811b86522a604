-- Purpose: take a contact out of the examples that the summaries of runs keep.
-- Parameters: sync_names (text[]), contact_id (text).
-- Indexes: sync_run_latest.
UPDATE krayin_sync.sync_run AS run
SET summary = run.summary || kept.examples
FROM (
    SELECT mentioning.id, jsonb_object_agg(named.key, (
        SELECT coalesce(jsonb_agg(one), '[]')
        FROM jsonb_array_elements(named.value) AS one
        WHERE one ->> 'contact' IS DISTINCT FROM %(contact_id)s::text
    )) AS examples
    FROM krayin_sync.sync_run AS mentioning, jsonb_each(mentioning.summary) AS named
    WHERE mentioning.sync_name = ANY(%(sync_names)s)
      AND named.value @> jsonb_build_array(jsonb_build_object('contact', %(contact_id)s::text::bigint))
    GROUP BY mentioning.id
) AS kept
WHERE run.id = kept.id
