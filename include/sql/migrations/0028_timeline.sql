-- Purpose: what happened to one contact is found without reading all calls and webhooks.
SET LOCAL search_path = krayin_sync;
CREATE INDEX api_call_of_operation ON api_call (operation_id, id) WHERE operation_id IS NOT NULL;
CREATE INDEX inbox_event_of_entity ON inbox_event USING gin (entities);
