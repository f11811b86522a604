CREATE OR REPLACE VIEW external_ids AS
WITH records AS (
    SELECT scope_id, source_id,
           max(crm_id) FILTER (WHERE crm_kind = 'person') AS person_id,
           max(crm_id) FILTER (WHERE crm_kind = 'lead') AS lead_id,
           max(former_crm_ids) FILTER (WHERE crm_kind = 'lead') AS former_lead_ids
    FROM mapping
    WHERE source_kind = 'contact' AND state = 'linked'
    GROUP BY scope_id, source_id
),
hanging AS (
    SELECT owner.scope_id, owner.source_id,
           array_agg(activity.crm_id ORDER BY activity.crm_id) AS activity_ids
    FROM mapping AS activity
    JOIN mapping AS owner
      ON owner.target_id = activity.target_id AND owner.source_kind = 'contact' AND owner.state = 'linked'
     AND owner.crm_kind = CASE WHEN activity.last_sent ? 'person' THEN 'person' ELSE 'lead' END
     AND owner.crm_id = coalesce(activity.last_sent ->> 'person', activity.last_sent ->> 'lead')::bigint
    WHERE activity.crm_kind = 'activity' AND activity.state = 'linked'
    GROUP BY owner.scope_id, owner.source_id
)
SELECT target.base_url AS krayin,
       installation.identity AS chatwoot,
       scope.account_id,
       records.source_id::bigint AS contact_id,
       records.person_id,
       records.lead_id,
       coalesce(records.former_lead_ids, '{}') AS former_lead_ids,
       company.crm_id AS organization_id,
       coalesce(hanging.activity_ids, '{}') AS activity_ids,
       concat_ws('|',
           'krayin:person:' || records.person_id,
           'krayin:lead:' || records.lead_id,
           'krayin:organization:' || company.crm_id,
           'krayin:activity:' || array_to_string(hanging.activity_ids, '|krayin:activity:')) AS external_ids,
       ARRAY(
           SELECT further.crm_id
           FROM mapping AS further
           WHERE further.scope_id = records.scope_id AND further.source_kind = 'lead' AND further.state = 'linked'
             AND split_part(further.source_id, '/', 1) = records.source_id
           ORDER BY further.crm_id) AS further_lead_ids
FROM records
JOIN scope ON scope.id = records.scope_id
JOIN krayin_target AS target ON target.id = scope.target_id
JOIN chatwoot_installation AS installation ON installation.id = scope.installation_id
LEFT JOIN organization_member AS member
       ON member.scope_id = records.scope_id AND member.contact_id = records.source_id::bigint
LEFT JOIN mapping AS company
       ON company.scope_id = member.scope_id AND company.source_kind = 'company'
      AND company.source_id = member.folded_name AND company.crm_kind = 'organization' AND company.state = 'linked'
LEFT JOIN hanging
       ON hanging.scope_id = records.scope_id AND hanging.source_id = records.source_id;

COMMENT ON VIEW external_ids IS 'Which Krayin records a contact is; one row per contact that has any.';
COMMENT ON COLUMN external_ids.krayin IS 'Address of Krayin''s API; `https://crm.example.com/api/v1`';
COMMENT ON COLUMN external_ids.chatwoot IS 'The Chatwoot, by the identity it gives itself; `sandbox-1`';
COMMENT ON COLUMN external_ids.account_id IS 'Chatwoot account; `1`';
COMMENT ON COLUMN external_ids.contact_id IS 'Chatwoot contact; `17`';
COMMENT ON COLUMN external_ids.person_id IS 'Its person in Krayin, or NULL; `123`';
COMMENT ON COLUMN external_ids.lead_id IS 'Its present lead, or NULL; `456`';
COMMENT ON COLUMN external_ids.former_lead_ids IS 'Leads that were closed and followed by a new one, oldest first; `{301}`';
COMMENT ON COLUMN external_ids.organization_id IS 'The organization of the company it names, or NULL; `789`';
COMMENT ON COLUMN external_ids.activity_ids IS 'Activities of its conversations and messages, by id; `{101}`';
COMMENT ON COLUMN external_ids.further_lead_ids IS 'Its present leads for further inboxes, with `leads.per: inbox`; `{457}`';
COMMENT ON COLUMN external_ids.external_ids IS 'All of them in one text, former leads and those for further inboxes left out; `krayin:person:123|krayin:lead:456|krayin:organization:789|krayin:activity:101`';


CREATE OR REPLACE VIEW coverage AS
SELECT target.base_url AS krayin,
       scope.account_id,
       known.source_kind,
       known.crm_kind,
       count(*) AS records,
       count(*) FILTER (WHERE known.state = 'linked') AS linked,
       count(*) FILTER (WHERE known.state = 'linked' AND known.origin = 'created') AS created,
       count(*) FILTER (WHERE known.state = 'linked' AND known.origin = 'adopted') AS adopted,
       -- Of a company without an address nothing but its name is wanted, which its organization has.
       count(*) FILTER (WHERE known.state = 'linked'
                          AND (known.acked_hash = known.source_hash
                               OR known.source_kind = 'company' AND known.source_hash IS NULL)) AS in_step,
       count(*) FILTER (WHERE known.state = 'pending') AS pending,
       count(*) FILTER (WHERE known.state = 'quarantined') AS quarantined,
       count(*) FILTER (WHERE known.state = 'gone') AS gone,
       count(*) FILTER (WHERE known.state = 'orphaned') AS orphaned,
       round(count(*) FILTER (WHERE known.state = 'linked')::numeric / count(*), 4) AS coverage
FROM (
    SELECT mapping.scope_id, mapping.source_kind, mapping.crm_kind, mapping.source_hash, mapping.acked_hash,
           CASE WHEN lead.id IS NULL THEN mapping.origin ELSE lead.origin END AS origin,
           CASE WHEN lead.state <> 'linked' THEN lead.state
                WHEN lead.id IS NOT NULL AND mapping.state = 'pending' AND mapping.acked_hash IS NOT NULL THEN 'linked'
                ELSE mapping.state END AS state
    FROM mapping
    LEFT JOIN mapping AS lead
           ON mapping.source_kind = 'stage' AND lead.crm_kind = 'lead'
          AND lead.source_kind = CASE WHEN mapping.source_id LIKE '%/%' THEN 'lead' ELSE 'contact' END
          AND lead.scope_id = mapping.scope_id AND lead.source_id = mapping.source_id
) AS known
JOIN scope ON scope.id = known.scope_id
JOIN krayin_target AS target ON target.id = scope.target_id
WHERE known.state <> 'not_wanted'
GROUP BY target.base_url, scope.account_id, known.source_kind, known.crm_kind;

COMMENT ON VIEW coverage IS 'How much of what is known of Chatwoot has its record in Krayin now; one row per kind of record.';
COMMENT ON COLUMN coverage.krayin IS 'Address of Krayin''s API; `https://crm.example.com/api/v1`';
COMMENT ON COLUMN coverage.account_id IS 'Chatwoot account; `1`';
COMMENT ON COLUMN coverage.source_kind IS '`contact`, `lead` (of a contact for a further inbox), `company`, `conversation`, `message` or `stage`';
COMMENT ON COLUMN coverage.crm_kind IS '`person`, `lead`, `organization` or `activity`';
COMMENT ON COLUMN coverage.records IS 'Records of this kind that were ever planned, without leads that `leads` does not want; `1200`';
COMMENT ON COLUMN coverage.linked IS 'Those whose record in Krayin is known; `1188`';
COMMENT ON COLUMN coverage.created IS 'Linked ones that we made; `1100`';
COMMENT ON COLUMN coverage.adopted IS 'Linked ones that were in Krayin before; `88`';
COMMENT ON COLUMN coverage.in_step IS 'Linked ones for which Krayin accepted what was planned last; `1180`';
COMMENT ON COLUMN coverage.pending IS 'Planned and not in Krayin yet; `9`';
COMMENT ON COLUMN coverage.quarantined IS 'A person must decide; `2`';
COMMENT ON COLUMN coverage.gone IS 'Deleted in Krayin; `1`';
COMMENT ON COLUMN coverage.orphaned IS 'Deleted or merged in Chatwoot; `0`';
COMMENT ON COLUMN coverage.coverage IS 'Share linked / records, 0 to 1; `0.9900`';


CREATE OR REPLACE VIEW coverage_history AS
SELECT reconciliation.sync_name,
       reconciliation.run_id,
       reconciliation.depth,
       reconciliation.started_at,
       reconciliation.finished_at,
       (reconciliation.counts ->> 'in_scope')::bigint AS in_scope,
       (reconciliation.counts ->> 'in_sync')::bigint AS in_sync,
       round((reconciliation.counts ->> 'in_sync')::numeric
             / nullif((reconciliation.counts ->> 'in_scope')::numeric, 0), 4) AS coverage
FROM reconciliation
WHERE reconciliation.finished_at IS NOT NULL;

COMMENT ON VIEW coverage_history IS 'What each finished comparison of Chatwoot with Krayin saw; one row per comparison.';
COMMENT ON COLUMN coverage_history.sync_name IS 'The sync; `chatwoot`';
COMMENT ON COLUMN coverage_history.run_id IS 'Its run, as in `runs`; `42`';
COMMENT ON COLUMN coverage_history.depth IS '`changed`: what changed since the comparison before; `full`: everything in scope';
COMMENT ON COLUMN coverage_history.started_at IS 'Time; `2026-11-22 03:00:00+00`';
COMMENT ON COLUMN coverage_history.finished_at IS 'Time; `2026-11-22 03:04:10+00`';
COMMENT ON COLUMN coverage_history.in_scope IS 'Contacts that Krayin should hold; `50000`';
COMMENT ON COLUMN coverage_history.in_sync IS 'Those it holds as it should, after the repair; `49988`';
COMMENT ON COLUMN coverage_history.coverage IS 'Share in_sync / in_scope, 0 to 1, NULL without any; `0.9998`';
