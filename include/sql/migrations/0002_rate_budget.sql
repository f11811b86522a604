-- The calls of one Krayin API user, shared by every process that makes them.
-- Schema krayin_sync exists already. No percent sign and no colon-name in this file: some drivers read them as parameters.

-- One row per API user; its row lock makes every decision about that user one at a time.
CREATE TABLE krayin_sync.rate_budget (
    key text PRIMARY KEY,
    window_seconds double precision NOT NULL CHECK (window_seconds > 0),
    setting integer NOT NULL CHECK (setting > 0),
    setting_at timestamptz NOT NULL,
    server_limit integer CHECK (server_limit > 0),
    server_limit_at timestamptz,
    slots integer NOT NULL DEFAULT 0,
    fence bigint NOT NULL DEFAULT 0,
    clock timestamptz NOT NULL,
    first_free_at timestamptz NOT NULL DEFAULT '-infinity',
    pace_at timestamptz NOT NULL DEFAULT '-infinity',
    passed_over integer[] NOT NULL DEFAULT '{0,0,0,0,0}',
    answered_at timestamptz NOT NULL DEFAULT '-infinity',
    refused_at timestamptz,
    blocked_until timestamptz NOT NULL DEFAULT '-infinity',
    near_limit_until timestamptz NOT NULL DEFAULT '-infinity',
    opened_after timestamptz NOT NULL DEFAULT '-infinity',
    opened_by timestamptz NOT NULL DEFAULT '-infinity',
    used integer NOT NULL DEFAULT 0,
    used_sent_at timestamptz NOT NULL DEFAULT '-infinity',
    used_at timestamptz NOT NULL DEFAULT '-infinity',
    own integer NOT NULL DEFAULT 0,
    foreign_calls integer NOT NULL DEFAULT 0
) WITH (fillfactor = 50);

COMMENT ON TABLE krayin_sync.rate_budget IS 'Shared pacing state, one row per Krayin API user.';
COMMENT ON COLUMN krayin_sync.rate_budget.setting IS 'Calls per window as configured; of several settings the lowest one in use.';
COMMENT ON COLUMN krayin_sync.rate_budget.server_limit IS 'Calls per window by the server''s own word, null until it said so.';
COMMENT ON COLUMN krayin_sync.rate_budget.slots IS 'Rows of rate_budget_slot; more than the limit only while a lowered limit settles in.';
COMMENT ON COLUMN krayin_sync.rate_budget.clock IS 'Latest time seen at a grant or a settlement; a clock behind it has jumped back.';
COMMENT ON COLUMN krayin_sync.rate_budget.first_free_at IS 'No slot has a smaller free_at; spares the index scan the dead entries below.';
COMMENT ON COLUMN krayin_sync.rate_budget.pace_at IS 'When the even pace has room for the next call of a lane below live.';
COMMENT ON COLUMN krayin_sync.rate_budget.passed_over IS 'Per lane, slots that went to other lanes while it waited.';
COMMENT ON COLUMN krayin_sync.rate_budget.opened_by IS 'The server''s window opened between opened_after and opened_by; used, own and foreign_calls count within it.';
COMMENT ON COLUMN krayin_sync.rate_budget.used IS 'Highest number of calls the server reported in its window, by all programs.';
COMMENT ON COLUMN krayin_sync.rate_budget.own IS 'At most so many of them are ours, calls in flight included.';

-- The ring: a slot is free when free_at has passed; it is taken for one call and stays taken one window after its answer.
CREATE TABLE krayin_sync.rate_budget_slot (
    key text NOT NULL REFERENCES krayin_sync.rate_budget ON DELETE CASCADE,
    number integer NOT NULL,
    fence bigint NOT NULL DEFAULT 0,
    lane smallint,
    granted_at timestamptz NOT NULL DEFAULT '-infinity',
    settled_at timestamptz DEFAULT '-infinity',
    free_at timestamptz NOT NULL DEFAULT '-infinity',
    PRIMARY KEY (key, number)
);
CREATE INDEX rate_budget_slot_free ON krayin_sync.rate_budget_slot (key, free_at);
CREATE INDEX rate_budget_slot_in_flight ON krayin_sync.rate_budget_slot (key) WHERE settled_at IS NULL;

-- Who waits. Unlogged: after a crash of the server the waiters that live ask again within a second.
CREATE UNLOGGED TABLE krayin_sync.rate_budget_waiter (
    key text NOT NULL,
    ticket uuid NOT NULL,
    lane smallint NOT NULL CHECK (lane BETWEEN 0 AND 4),
    since timestamptz NOT NULL,
    asks_at timestamptz NOT NULL,
    PRIMARY KEY (key, ticket)
);

-- Calls that other programs made with the same API user, as the server's counts showed them.
CREATE TABLE krayin_sync.rate_budget_foreign (
    key text NOT NULL REFERENCES krayin_sync.rate_budget ON DELETE CASCADE,
    seen_at timestamptz NOT NULL,
    calls integer NOT NULL CHECK (calls > 0)
);
CREATE INDEX rate_budget_foreign_seen ON krayin_sync.rate_budget_foreign (key, seen_at);

-- The only clock of the budget: machines that make calls may disagree about the time.
CREATE FUNCTION krayin_sync.rate_budget_now() RETURNS timestamptz
LANGUAGE sql VOLATILE AS 'SELECT clock_timestamp()';

-- Lock and return the budget's row with its clock set to now; null when there is none.
-- A clock that jumped back by more than a hiccup takes all stored times back with it, else every slot
-- would stay taken for as long as the jump.
CREATE FUNCTION krayin_sync.rate_budget_lock(budget_key text) RETURNS krayin_sync.rate_budget
LANGUAGE plpgsql AS $$
DECLARE
    b krayin_sync.rate_budget;
    moment timestamptz;
    back interval;
BEGIN
    SELECT * INTO b FROM krayin_sync.rate_budget WHERE key = budget_key FOR UPDATE;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    -- Read after the lock was got, so that times never run against the order of decisions.
    moment := krayin_sync.rate_budget_now();
    back := b.clock - moment;
    IF back > interval '100 milliseconds' THEN
        UPDATE krayin_sync.rate_budget_slot
        SET granted_at = granted_at - back, settled_at = settled_at - back, free_at = free_at - back
        WHERE key = budget_key;
        UPDATE krayin_sync.rate_budget_foreign SET seen_at = seen_at - back WHERE key = budget_key;
        DELETE FROM krayin_sync.rate_budget_waiter WHERE key = budget_key;
        UPDATE krayin_sync.rate_budget SET
            clock = moment,
            setting_at = setting_at - back,
            server_limit_at = server_limit_at - back,
            first_free_at = first_free_at - back,
            pace_at = pace_at - back,
            answered_at = answered_at - back,
            refused_at = refused_at - back,
            blocked_until = blocked_until - back,
            near_limit_until = near_limit_until - back,
            opened_after = opened_after - back,
            opened_by = opened_by - back,
            used_sent_at = used_sent_at - back,
            used_at = used_at - back
        WHERE key = budget_key
        RETURNING * INTO b;
    END IF;
    b.clock := greatest(b.clock, moment);
    RETURN b;
END $$;

-- Grant a slot to this waiter, or say in how many seconds to ask again.
-- Returns one row: slot_number, slot_fence, granted_at (null without a grant), wait_seconds (null with one).
CREATE FUNCTION krayin_sync.rate_budget_acquire(
    budget_key text,
    my_lane integer,
    my_ticket uuid,
    my_setting integer,
    my_window double precision,
    call_timeout double precision,
    credit double precision,
    poll double precision,
    grace double precision,
    OUT slot_number integer,
    OUT slot_fence bigint,
    OUT granted_at timestamptz,
    OUT wait_seconds double precision
)
LANGUAGE plpgsql AS $$
DECLARE
    b krayin_sync.rate_budget;
    span interval := make_interval(secs => my_window);
    moment timestamptz;
    capacity integer;   -- what the server allows everybody
    allowed integer;    -- what we allow ourselves
    others integer;     -- calls of other programs in the last window
    held_back integer;  -- slots left alone for them
    flying integer;     -- our calls under way
    asking integer;     -- those of them whose answer can be expected any moment
    unseen integer := 0;  -- calls that others may have made since the last answer
    step interval;      -- the even pace
    waiting integer[];  -- lanes with somebody waiting, ours included
    ahead integer;      -- waiters that come before us
    owed integer;       -- a lane that was passed over often enough
    winner integer;
    paced boolean;
    gate timestamptz := '-infinity';  -- nobody calls before
    due timestamptz;
    changed integer;
BEGIN
    b := krayin_sync.rate_budget_lock(budget_key);
    IF b.key IS NULL THEN
        INSERT INTO krayin_sync.rate_budget (key, window_seconds, setting, setting_at, clock)
        VALUES (budget_key, my_window, my_setting, krayin_sync.rate_budget_now(), krayin_sync.rate_budget_now())
        ON CONFLICT (key) DO NOTHING;
        b := krayin_sync.rate_budget_lock(budget_key);
    END IF;
    moment := b.clock;
    b.window_seconds := my_window;

    -- A lower setting counts at once; a higher one when the lower was not used for a window.
    IF my_setting <= b.setting OR b.setting_at < moment - span THEN
        b.setting := my_setting;
        b.setting_at := moment;
    END IF;
    capacity := coalesce(b.server_limit, b.setting);
    allowed := least(b.setting, capacity);

    -- Slots are added at once; surplus ones leave only when free, and count as taken until then.
    IF b.slots < allowed THEN
        INSERT INTO krayin_sync.rate_budget_slot (key, number)
        SELECT budget_key, coalesce((SELECT max(s.number) + 1 FROM krayin_sync.rate_budget_slot s WHERE s.key = budget_key), 0) + i
        FROM generate_series(0, allowed - b.slots - 1) AS i;
        b.slots := allowed;
        b.first_free_at := '-infinity';
    ELSIF b.slots > allowed THEN
        DELETE FROM krayin_sync.rate_budget_slot d
        USING (
            SELECT s.number FROM krayin_sync.rate_budget_slot s
            WHERE s.key = budget_key AND s.free_at <= moment
            ORDER BY s.free_at LIMIT b.slots - allowed
        ) AS surplus
        WHERE d.key = budget_key AND d.number = surplus.number;
        GET DIAGNOSTICS changed = ROW_COUNT;
        b.slots := b.slots - changed;
    END IF;

    SELECT coalesce(sum(f.calls), 0) INTO others
    FROM krayin_sync.rate_budget_foreign f WHERE f.key = budget_key AND f.seen_at > moment - span;
    held_back := least(greatest(others - (capacity - allowed), 0), allowed - 1);
    SELECT count(*), count(*) FILTER (WHERE s.granted_at > moment - interval '2 seconds') INTO flying, asking
    FROM krayin_sync.rate_budget_slot s
    WHERE s.key = budget_key AND s.settled_at IS NULL AND s.free_at - span > moment;
    step := span / (allowed - held_back);

    -- Whose turn is it?
    SELECT array_agg(DISTINCT w.lane::integer) || my_lane,
           count(*) FILTER (WHERE w.lane < my_lane OR (w.lane = my_lane AND w.since < coalesce(
               (SELECT me.since FROM krayin_sync.rate_budget_waiter me WHERE me.key = budget_key AND me.ticket = my_ticket),
               'infinity')))
    INTO waiting, ahead
    FROM krayin_sync.rate_budget_waiter w
    WHERE w.key = budget_key AND w.ticket <> my_ticket AND w.asks_at > moment - make_interval(secs => grace);
    -- Each waiting lane gets one slot in ten: the lane passed over most is served as soon as the
    -- lanes together could otherwise not all be served within their ten.
    SELECT o.lane INTO owed
    FROM (
        SELECT p.lane - 1 AS lane, p.passed, row_number() OVER (ORDER BY p.passed DESC, p.lane) AS place
        FROM unnest(b.passed_over) WITH ORDINALITY AS p (passed, lane)
        WHERE p.lane - 1 = ANY (waiting)
    ) AS o
    WHERE EXISTS (
        SELECT 1 FROM (
            SELECT q.passed, row_number() OVER (ORDER BY q.passed DESC) AS place
            FROM unnest(b.passed_over) WITH ORDINALITY AS q (passed, lane)
            WHERE q.lane - 1 = ANY (waiting)
        ) AS r
        WHERE r.passed + r.place >= 10
    )
    ORDER BY o.place LIMIT 1;
    winner := coalesce(owed, (SELECT min(l) FROM unnest(waiting) AS l));
    -- Live calls burst into whatever is free. A lane that live calls passed over has waited its share already.
    paced := my_lane > 0 AND NOT (owed IS NOT NULL AND 0 = ANY (waiting));

    -- When may anybody call?
    gate := b.blocked_until;
    IF moment < b.opened_by + span THEN
        -- The server's own count: with calls of other programs about, some may have come since its last answer.
        IF others > 0 THEN
            -- Twice their usual pace, and one: they need not be regular.
            unseen := 1 + ceil(2 * others * extract(epoch FROM moment - b.used_at) / my_window);
        END IF;
        IF b.used + flying + unseen + 1 > capacity THEN
            gate := greatest(gate, b.opened_by + span);
        END IF;
    ELSIF b.answered_at < moment - span AND asking >= greatest(allowed / 20, 1) THEN
        -- After a silence nobody knows what is left: a few calls ask before the rest follow, for a moment only.
        gate := greatest(gate, moment + make_interval(secs => least(poll, 0.02)));
    END IF;

    SELECT s.free_at INTO due
    FROM krayin_sync.rate_budget_slot s
    WHERE s.key = budget_key AND s.free_at >= b.first_free_at
    ORDER BY s.free_at OFFSET (b.slots - allowed) + held_back LIMIT 1;

    IF winner = my_lane AND gate <= moment AND due <= moment AND (NOT paced OR b.pace_at <= moment) THEN
        b.fence := b.fence + 1;
        UPDATE krayin_sync.rate_budget_slot s
        SET fence = b.fence, lane = my_lane, granted_at = moment, settled_at = NULL,
            free_at = moment + make_interval(secs => call_timeout) + span
        FROM (
            SELECT f.number, f.free_at FROM krayin_sync.rate_budget_slot f
            WHERE f.key = budget_key AND f.free_at >= b.first_free_at
            ORDER BY f.free_at LIMIT 1
        ) AS first
        WHERE s.key = budget_key AND s.number = first.number
        RETURNING s.number, s.fence, s.granted_at, first.free_at
        INTO slot_number, slot_fence, granted_at, b.first_free_at;
        UPDATE krayin_sync.rate_budget r SET
            window_seconds = b.window_seconds,
            setting = b.setting,
            setting_at = b.setting_at,
            slots = b.slots,
            fence = b.fence,
            clock = moment,
            first_free_at = b.first_free_at,
            -- Live calls count against the pace too, so that a burst of them is followed by a lull of the others.
            pace_at = least(greatest(b.pace_at, moment - make_interval(secs => credit)) + step, moment + span),
            passed_over = ARRAY(
                SELECT CASE WHEN p.lane - 1 = ANY (waiting) AND p.lane - 1 <> my_lane THEN p.passed + 1 ELSE 0 END
                FROM unnest(b.passed_over) WITH ORDINALITY AS p (passed, lane)
                ORDER BY p.lane
            ),
            own = b.own + 1
        WHERE r.key = budget_key;
        DELETE FROM krayin_sync.rate_budget_waiter w
        WHERE w.key = budget_key AND (w.ticket = my_ticket OR w.asks_at < moment - make_interval(secs => grace));
        RETURN;
    END IF;

    -- A lost wait costs nothing: the disk need not be waited for.
    PERFORM set_config('synchronous_commit', 'off', true);
    IF (b.setting, b.slots) IS DISTINCT FROM
        (SELECT (r.setting, r.slots) FROM krayin_sync.rate_budget r WHERE r.key = budget_key)
    THEN
        UPDATE krayin_sync.rate_budget r
        SET setting = b.setting, setting_at = b.setting_at, slots = b.slots, first_free_at = b.first_free_at
        WHERE r.key = budget_key;
    END IF;
    -- Ask again when the slot that would be ours comes due, counting those ahead of us.
    SELECT s.free_at INTO due
    FROM krayin_sync.rate_budget_slot s
    WHERE s.key = budget_key AND s.free_at >= b.first_free_at
    ORDER BY s.free_at OFFSET (b.slots - allowed) + held_back + ahead LIMIT 1;
    due := greatest(gate, coalesce(due, 'infinity'), CASE WHEN paced THEN b.pace_at + ahead * step END);
    wait_seconds := CASE
        WHEN due <= moment THEN least(poll, 0.02)
        WHEN due < moment + make_interval(secs => poll) THEN extract(epoch FROM due - moment)
        ELSE poll
    END;
    INSERT INTO krayin_sync.rate_budget_waiter AS w (key, ticket, lane, since, asks_at)
    VALUES (budget_key, my_ticket, my_lane, moment, moment + make_interval(secs => wait_seconds))
    ON CONFLICT (key, ticket) DO UPDATE SET asks_at = excluded.asks_at;
END $$;

-- Give a slot back after its call, and learn from the answer what the server counted.
-- `answered` is false when no answer came: the slot then stays taken as long as the call could still be counted.
-- Returns whether the slot was still held under this fence.
CREATE FUNCTION krayin_sync.rate_budget_settle(
    budget_key text,
    slot_number integer,
    slot_fence bigint,
    answered boolean,
    said_limit integer,
    said_remaining integer,
    refused boolean,
    retry_after double precision
) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    b krayin_sync.rate_budget;
    span interval;
    moment timestamptz;
    sent_at timestamptz;
    seen integer;
    others integer;
    speaks boolean;  -- the headers are those of the limit we share
BEGIN
    b := krayin_sync.rate_budget_lock(budget_key);
    IF b.key IS NULL THEN
        RETURN false;
    END IF;
    -- A settlement that is lost with a crash leaves its slot taken longer: safe, so the disk need not be waited for.
    PERFORM set_config('synchronous_commit', 'off', true);
    moment := b.clock;
    span := make_interval(secs => b.window_seconds);
    -- The server counted the call before its answer came, so one window from now its window is over.
    UPDATE krayin_sync.rate_budget_slot s
    SET settled_at = moment, free_at = CASE WHEN answered THEN moment + span ELSE s.free_at END
    WHERE s.key = budget_key AND s.number = slot_number AND s.fence = slot_fence AND s.settled_at IS NULL
    RETURNING s.granted_at INTO sent_at;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    IF NOT answered THEN
        RETURN true;
    END IF;
    b.answered_at := moment;

    -- Some routes have a limit of their own and report that one instead (Krayin 2.1.5: deleting persons, 100 an hour).
    -- A higher number is believed when the lower one was not heard for a window, a lower one at once.
    speaks := said_limit IS NOT NULL
        AND (b.server_limit IS NULL OR said_limit <= b.server_limit OR b.server_limit_at < moment - span);
    IF speaks THEN
        b.server_limit := greatest(said_limit, 1);
        b.server_limit_at := moment;
    END IF;

    IF speaks AND said_remaining IS NOT NULL AND NOT refused THEN
        seen := said_limit - said_remaining;
        SELECT coalesce(sum(f.calls), 0) INTO others
        FROM krayin_sync.rate_budget_foreign f WHERE f.key = budget_key AND f.seen_at > moment - span;
        IF sent_at >= b.opened_by + span OR (sent_at > b.used_at AND seen <= b.used) THEN
            -- Within one window every call is told a higher number, so this one is in a new window.
            b.opened_after := greatest(b.used_sent_at, b.opened_after + span, moment - span);
            b.opened_by := moment;
            b.used := seen;
            b.used_at := moment;
            b.used_sent_at := sent_at;
            b.foreign_calls := 0;
            SELECT count(*) INTO b.own
            FROM krayin_sync.rate_budget_slot s
            WHERE s.key = budget_key
                AND (s.settled_at > b.opened_after OR (s.settled_at IS NULL AND s.free_at - span > moment));
        ELSIF seen > b.used AND (sent_at >= b.opened_by OR seen <= b.own + others) THEN
            -- A call sent before the new window was known and told a high number belongs to the old one.
            b.used := seen;
            b.used_at := moment;
            b.used_sent_at := sent_at;
        END IF;
        -- What is neither ours nor could be ours was made by somebody else.
        IF b.used - b.own > b.foreign_calls THEN
            INSERT INTO krayin_sync.rate_budget_foreign (key, seen_at, calls)
            VALUES (budget_key, moment, b.used - b.own - b.foreign_calls);
            b.foreign_calls := b.used - b.own;
            DELETE FROM krayin_sync.rate_budget_foreign f WHERE f.key = budget_key AND f.seen_at < moment - span;
        END IF;
        IF said_remaining = 0 THEN
            b.near_limit_until := b.opened_by + span;
        END IF;
    END IF;

    IF refused AND (speaks OR said_limit IS NULL) THEN
        b.refused_at := moment;
        b.blocked_until := greatest(
            b.blocked_until,
            CASE
                -- The header counts whole seconds, rounded down.
                WHEN retry_after IS NOT NULL THEN moment
                    + make_interval(secs => least(retry_after, 10 * b.window_seconds) + least(1, b.window_seconds / 60))
                WHEN b.opened_by + span > moment THEN b.opened_by + span
                ELSE moment + span
            END
        );
        b.near_limit_until := greatest(b.near_limit_until, b.blocked_until);
    END IF;

    UPDATE krayin_sync.rate_budget r SET
        server_limit = b.server_limit,
        server_limit_at = b.server_limit_at,
        clock = moment,
        answered_at = b.answered_at,
        refused_at = b.refused_at,
        blocked_until = b.blocked_until,
        near_limit_until = b.near_limit_until,
        opened_after = b.opened_after,
        opened_by = b.opened_by,
        used = b.used,
        used_sent_at = b.used_sent_at,
        used_at = b.used_at,
        own = b.own,
        foreign_calls = b.foreign_calls
    WHERE r.key = budget_key;
    RETURN true;
END $$;
