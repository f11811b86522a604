-- How the views show what the tables hold as a number or a key.

-- The page of a record in Krayin; NULL without a record. Krayin 2.1.5 has no page of its own for an activity.
CREATE OR REPLACE FUNCTION krayin_sync.krayin_page(base_url text, crm_kind text, crm_id bigint) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT regexp_replace(base_url, '/api/(v1|admin)$', '') || '/admin/'
    || CASE crm_kind
        WHEN 'person' THEN 'contacts/persons/view/'
        WHEN 'lead' THEN 'leads/view/'
        WHEN 'organization' THEN 'contacts/organizations/edit/'
        WHEN 'activity' THEN 'activities/edit/'
    END || crm_id
$$;

CREATE OR REPLACE FUNCTION krayin_sync.lane_name(lane integer) RETURNS text
LANGUAGE sql IMMUTABLE AS $$ SELECT (ARRAY['live', 'scheduled', 'retry', 'backfill', 'drift'])[lane + 1] $$;

-- Which address of a budget's key belongs to which Krayin; the key also names the API user.
CREATE OR REPLACE FUNCTION krayin_sync.budget_target(key text) RETURNS integer
LANGUAGE sql IMMUTABLE AS $$ SELECT substring(key FROM 'target.([0-9]+)#')::integer $$;

-- What people call a lead's stage, with its pipeline where several have one of this name; NULL for one that is not there.
CREATE OR REPLACE FUNCTION krayin_sync.stage_name(target_id integer, stage_id text) RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT (stage ->> 'name') || CASE
        WHEN 1 < (SELECT count(*) FROM jsonb_path_query(known.document, '$.pipelines[*].stages[*].name') AS name
                  WHERE name = stage -> 'name')
        THEN ' (' || (pipeline ->> 'name') || ')' ELSE '' END
    FROM (SELECT document FROM krayin_sync.krayin_catalogue AS kept WHERE kept.target_id = $1
          ORDER BY read_at DESC LIMIT 1) AS known
    CROSS JOIN LATERAL jsonb_array_elements(known.document -> 'pipelines') AS pipeline
    CROSS JOIN LATERAL jsonb_array_elements(pipeline -> 'stages') AS stage
    WHERE stage ->> 'id' = $2
$$;

-- Both sides of a difference as people read them: stages by their names.
CREATE OR REPLACE FUNCTION krayin_sync.shown_detail(field text, detail jsonb, target_id integer) RETURNS jsonb
LANGUAGE sql STABLE AS $$
    SELECT CASE
        WHEN NOT $2 ? 'wanted' THEN $2
        WHEN $1 IS DISTINCT FROM 'stage' THEN $2 - 'wanted' || jsonb_build_object('chatwoot', $2 -> 'wanted')
        ELSE jsonb_build_object(
            'chatwoot', coalesce(krayin_sync.stage_name($3, $2 ->> 'wanted'), $2 ->> 'wanted'),
            'krayin', coalesce(krayin_sync.stage_name($3, $2 ->> 'krayin'), $2 ->> 'krayin'))
    END
$$;

-- Whether a difference is for information alone: accepted, a salesperson's own value, or cut to fit.
CREATE OR REPLACE FUNCTION krayin_sync.for_information(state text, class text, side text) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$ SELECT state = 'accepted' OR class = 'truncated' OR side IS NOT DISTINCT FROM 'theirs' $$;
