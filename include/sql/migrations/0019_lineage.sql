-- Purpose: by what a Krayin is known again, and what is to be done when it is another one.
-- Parameters: none. Run once, in one transaction, by the migration tool.
SET LOCAL search_path = krayin_sync;

ALTER TABLE krayin_target
    -- What was known before says nothing any more: a person has said so.
    ADD COLUMN known_since timestamptz NOT NULL DEFAULT '-infinity';

ALTER TABLE mapping
    -- When Krayin says that its record was made: tells it from another one with the same id. NULL: not seen since.
    ADD COLUMN crm_created_at timestamptz;

-- Whoever gives a row another record need not think of it.
CREATE FUNCTION forget_crm_created_at() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.crm_created_at := NULL;
    RETURN NEW;
END $$;
CREATE TRIGGER mapping_other_record BEFORE UPDATE OF crm_id ON mapping
    FOR EACH ROW WHEN (OLD.crm_id IS DISTINCT FROM NEW.crm_id
                       AND OLD.crm_created_at IS NOT DISTINCT FROM NEW.crm_created_at)
    EXECUTE FUNCTION forget_crm_created_at();

-- A recovery: what becomes of the bindings to a Krayin that is another one than we knew.
-- state: planned   waits for a person's answer
--        done      carried out
--        declined  a person said no; nothing was changed
CREATE TABLE recovery (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    target_id  integer NOT NULL REFERENCES krayin_target,
    -- The target that the sync's address was taken for until then, where Krayin was moved.
    moved_from integer REFERENCES krayin_target,
    happened   text NOT NULL,
    make_again boolean NOT NULL,
    state      text NOT NULL DEFAULT 'planned' CHECK (state IN ('planned', 'done', 'declined')),
    -- Numbers only.
    shown      jsonb NOT NULL,
    planned_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    decided_at timestamptz,
    decided_by text
);

-- What becomes of one binding; deleted with the answer.
CREATE TABLE recovery_item (
    recovery_id    bigint NOT NULL REFERENCES recovery ON DELETE CASCADE,
    mapping_id     bigint NOT NULL,
    action         text NOT NULL CHECK (action IN ('keep', 'relink', 'unlink')),
    crm_id         bigint,
    crm_created_at timestamptz,
    origin         text,
    former_crm_ids bigint[] NOT NULL,
    PRIMARY KEY (recovery_id, mapping_id)
);
