-- Purpose: what the last comparison of all rows saw in Chatwoot, so that the next reads only what differs.
-- Parameters: none. Run once, in one transaction, by the migration tool.
SET LOCAL search_path = krayin_sync;

-- What a sync remembers of one stream (see chatwoot.sweep.Stream).
CREATE TABLE sweep_stream (
    id              integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sync_name       text NOT NULL,
    stream          text NOT NULL CHECK (stream IN ('contacts', 'conversations', 'messages', 'progress')),
    target_id       integer NOT NULL REFERENCES krayin_target,
    installation_id integer NOT NULL REFERENCES chatwoot_installation,
    account_id      bigint NOT NULL,
    -- How the hashes were made; others cannot be compared with them.
    formula         text NOT NULL,
    -- The sweep that was remembered last, NULL before the first.
    sweep_id        bigint,
    -- By Chatwoot's clock: what was planned from a later reading may differ from what is remembered.
    read_at         timestamptz,
    UNIQUE (sync_name, stream, target_id, installation_id, account_id)
);

-- 64 consecutive keys: their checksum, and the hash of each at its place (of key 0 the first), NULL where there is no row.
CREATE TABLE sweep_bucket (
    stream_id integer NOT NULL REFERENCES sweep_stream ON DELETE CASCADE,
    bucket    bigint NOT NULL,
    checksum  bigint NOT NULL,
    hashes    bigint[] NOT NULL,
    PRIMARY KEY (stream_id, bucket)
);

-- A sweep until the next one of its sync. Lost as a whole in a crash of the server: the next one finds again what was
-- not remembered.
CREATE SEQUENCE sweep_number;
CREATE UNLOGGED TABLE sweep (
    id              bigint PRIMARY KEY DEFAULT nextval('krayin_sync.sweep_number'),
    sync_name       text NOT NULL,
    target_id       integer NOT NULL,
    installation_id integer NOT NULL,
    account_id      bigint NOT NULL,
    read_at         timestamptz NOT NULL,
    -- Set when it is complete.
    compared_at     timestamptz,
    -- Set with the plan that took up its differences.
    remembered_at   timestamptz
);
CREATE UNLOGGED TABLE sweep_compared (
    sweep_id  bigint NOT NULL REFERENCES sweep ON DELETE CASCADE,
    stream_id integer NOT NULL REFERENCES sweep_stream ON DELETE CASCADE,
    formula   text NOT NULL,
    -- The remembered sweep it was compared with.
    base      bigint,
    -- What the stream's read_at becomes.
    read_at   timestamptz NOT NULL,
    PRIMARY KEY (sweep_id, stream_id)
);
-- What a differing bucket holds now; checksum NULL: no row any more.
-- Without a reference to the sweep, like the next: checking one for each of a million rows takes seconds.
CREATE UNLOGGED TABLE sweep_new_bucket (
    sweep_id  bigint NOT NULL,
    stream_id integer NOT NULL,
    bucket    bigint NOT NULL,
    checksum  bigint,
    hashes    bigint[],
    PRIMARY KEY (sweep_id, stream_id, bucket)
);
-- difference: new       not remembered
--             changed   remembered otherwise
--             awake     without activity within the history before, with some now
--             replanned planned since from another reading: it may have been other meanwhile
--             left      not in the scope any more, but in Chatwoot
--             vanished  not in Chatwoot any more
CREATE UNLOGGED TABLE sweep_difference (
    sweep_id   bigint NOT NULL,
    stream     text NOT NULL,
    key        bigint NOT NULL,
    difference text NOT NULL
               CHECK (difference IN ('new', 'changed', 'awake', 'replanned', 'left', 'vanished')),
    PRIMARY KEY (sweep_id, stream, key)
);

-- What was planned from a reading later than a sweep.
CREATE INDEX mapping_read_later
    ON mapping (target_id, installation_id, account_id, source_kind, source_read_at);
-- Never the basis of anything: what rows look like is remembered per sync and stream, see sweep_bucket.
ALTER TABLE mapping DROP COLUMN row_hash;
