-- Purpose: what stands between a sync and its work until a person or a truthful look has explained it.
-- Parameters: none. Run once, in one transaction, by the migration tool.
SET LOCAL search_path = krayin_sync;

CREATE TABLE incident (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind         text NOT NULL,
    -- NULL: it concerns every sync to the Krayin of target_id.
    sync_name    text,
    target_id    integer REFERENCES krayin_target,
    -- What was seen and what to do, for people; neither a person's data nor a secret.
    sentence     text NOT NULL,
    -- The same for programs: counts and ids.
    facts        jsonb NOT NULL DEFAULT '{}',
    opened_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    closed_at    timestamptz,
    -- A user's name, or the run that saw that it is over.
    closed_by    text,
    closed_why   text,
    CHECK (sync_name IS NOT NULL OR target_id IS NOT NULL)
);
-- One open incident of a kind at a time; also finds the open ones.
CREATE UNIQUE INDEX incident_open ON incident (kind, coalesce(sync_name, ''), coalesce(target_id, 0))
    WHERE closed_at IS NULL;

CREATE VIEW incidents AS
SELECT incident.id AS incident_id,
       incident.kind,
       incident.sync_name,
       target.base_url AS krayin,
       incident.sentence,
       incident.opened_at,
       incident.last_seen_at,
       incident.closed_at,
       incident.closed_by,
       incident.closed_why
FROM incident
LEFT JOIN krayin_target AS target ON target.id = incident.target_id;

COMMENT ON VIEW incidents IS 'When Chatwoot or Krayin was not what it should be, and how that ended; one row per incident.';
COMMENT ON COLUMN incidents.incident_id IS 'Its number, as the status page and `krayin_recover` show it; `3`';
COMMENT ON COLUMN incidents.kind IS 'What is wrong; `chatwoot_fewer`';
COMMENT ON COLUMN incidents.sync_name IS 'The sync, NULL when it concerns every sync to this Krayin; `chatwoot`';
COMMENT ON COLUMN incidents.krayin IS 'Address of Krayin''s API, or NULL; `https://crm.example.com/api/v1`';
COMMENT ON COLUMN incidents.sentence IS 'What was seen and what to do';
COMMENT ON COLUMN incidents.opened_at IS 'Time; `2026-11-22 03:00:00+00`';
COMMENT ON COLUMN incidents.last_seen_at IS 'When it was seen last; `2026-11-22 03:10:00+00`';
COMMENT ON COLUMN incidents.closed_at IS 'When it ended, NULL while it is open; `2026-11-22 04:04:10+00`';
COMMENT ON COLUMN incidents.closed_by IS 'Who ended it: a user, or the run that saw that it is over; `run 42`';
COMMENT ON COLUMN incidents.closed_why IS 'Why; `Chatwoot shows everything again`';
