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

-- Whether a difference is for information alone: accepted, a salesperson's own value, or cut to fit.
CREATE OR REPLACE FUNCTION krayin_sync.for_information(state text, class text, side text) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$ SELECT state = 'accepted' OR class = 'truncated' OR side IS NOT DISTINCT FROM 'theirs' $$;
