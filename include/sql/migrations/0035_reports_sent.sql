-- Purpose: which ways a report is still to go, so that a failed one is made up for (its page alone has any); and alerts of
-- single incidents.
SET LOCAL search_path = krayin_sync;

ALTER TABLE report_file ADD COLUMN due text[] NOT NULL DEFAULT '{}';
CREATE INDEX report_file_due ON report_file (run_id) WHERE due <> '{}';

-- Each incident is an alert of its own.
DELETE FROM alert WHERE condition = 'incident';
