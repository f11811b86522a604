-- The calls of one Krayin API user, shared by every process that makes them: why so, see docs/decisions/0004-rate-budget.md.
-- rate_budget_acquire and rate_budget_settle lock the budget's row, look, and write. What they do is decided by functions
-- that depend on nothing but their arguments: those marked IMMUTABLE. `b` is the budget's row, its clock set to now.
-- Of them only what PostgreSQL can inline is LANGUAGE sql: the others would be planned anew at every call.


-- The limits

-- Return the calls per window that the server allows everybody.
CREATE OR REPLACE FUNCTION krayin_sync.rate_budget_capacity(b krayin_sync.rate_budget) RETURNS integer
LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(b.server_limit, b.setting)
$$;

-- Return the calls that we allow ourselves in any window.
CREATE OR REPLACE FUNCTION krayin_sync.rate_budget_allowed(b krayin_sync.rate_budget) RETURNS integer
LANGUAGE sql IMMUTABLE AS $$
    SELECT least(b.setting, b.server_limit)
$$;

-- Tell whether the server's answers set the pace: somebody is on auto, and the server says no limit.
-- A limit above the setting says nothing of what the server bears.
CREATE OR REPLACE FUNCTION krayin_sync.rate_budget_follows(b krayin_sync.rate_budget) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN b.auto_at > b.setting_at - make_interval(secs => b.window_seconds) AND (b.server_limit <= b.setting) IS NOT true;
END $$;

-- Return the calls per window that go out evenly.
CREATE OR REPLACE FUNCTION krayin_sync.rate_budget_pace(b krayin_sync.rate_budget) RETURNS integer
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
        WHEN krayin_sync.rate_budget_follows(b) THEN least(floor(b.pace)::integer, b.setting)
        ELSE krayin_sync.rate_budget_allowed(b)
    END
$$;

-- Return the budget's row with the settings of somebody who asks for a call.
CREATE OR REPLACE FUNCTION krayin_sync.rate_budget_with_setting(
    b krayin_sync.rate_budget, asked_setting integer, asked_auto boolean, asked_window double precision
) RETURNS krayin_sync.rate_budget
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    b.window_seconds := asked_window;
    -- A lower setting counts at once; a higher one when the lower was not used for a window.
    IF asked_setting <= b.setting OR b.setting_at < b.clock - make_interval(secs => asked_window) THEN
        b.setting := asked_setting;
        b.setting_at := b.clock;
    END IF;
    IF asked_auto THEN
        b.auto_at := b.clock;
    END IF;
    RETURN b;
END $$;

-- Tell whether an answer's limit is the one we share: some routes have a limit of their own and report that one instead
-- (Krayin 2.1.5: deleting persons, 100 an hour).
-- A higher number is believed when the lower one was not heard for a window, a lower one at once.
CREATE OR REPLACE FUNCTION krayin_sync.rate_budget_believes(b krayin_sync.rate_budget, said_limit integer) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN said_limit IS NOT NULL AND (
        b.server_limit IS NULL
        OR said_limit <= b.server_limit
        OR b.server_limit_at < b.clock - make_interval(secs => b.window_seconds)
    );
END $$;

-- Return the budget's row with the limit that an answer said (null: none); `good` tells whether the answer was a good one.
CREATE OR REPLACE FUNCTION krayin_sync.rate_budget_with_limit(
    b krayin_sync.rate_budget, said_limit integer, good boolean
) RETURNS krayin_sync.rate_budget
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF krayin_sync.rate_budget_believes(b, said_limit) THEN
        b.server_limit := greatest(said_limit, 1);
        b.server_limit_at := b.clock;
    END IF;
    IF said_limit IS NOT NULL THEN
        b.silent := 0;
    ELSIF good THEN
        b.silent := least(b.silent + 1, 10);
        IF b.silent = 10 AND b.server_limit IS NOT NULL THEN
            -- A Krayin that gives good answers without a word of a limit has none (any more: 2.2 ships without).
            b.server_limit := NULL;
            b.server_limit_at := NULL;
            b.opened_by := '-infinity';
            b.pace := 60;
        END IF;
    END IF;
    RETURN b;
END $$;


-- Whose turn it is and when

-- Return the lane that was passed over so often that it comes next, null if none was.
-- `passed_over` counts per lane, from lane 0 on; `waiting` are the lanes with somebody waiting.
-- Each waiting lane gets one slot in ten: the lane passed over most is served as soon as the lanes together could
-- otherwise not all be served within their ten.
CREATE OR REPLACE FUNCTION krayin_sync.rate_budget_owed_lane(passed_over integer[], waiting integer[]) RETURNS integer
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN (
        SELECT CASE WHEN bool_or(ranked.passed + ranked.place >= 10) THEN min(ranked.lane) FILTER (WHERE ranked.place = 1) END
        FROM (
            SELECT p.lane - 1 AS lane, p.passed, row_number() OVER (ORDER BY p.passed DESC, p.lane) AS place
            FROM unnest(passed_over) WITH ORDINALITY AS p (passed, lane)
            WHERE p.lane - 1 = ANY (waiting)
        ) AS ranked
    );
END $$;

-- Return how often each lane was passed over, once a slot went to the lane `served`.
CREATE OR REPLACE FUNCTION krayin_sync.rate_budget_passed_over(
    passed_over integer[], waiting integer[], served integer
) RETURNS integer[]
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN ARRAY(
        SELECT CASE WHEN p.lane - 1 = ANY (waiting) AND p.lane - 1 <> served THEN p.passed + 1 ELSE 0 END
        FROM unnest(passed_over) WITH ORDINALITY AS p (passed, lane)
        ORDER BY p.lane
    );
END $$;

-- Return the calls of the server's present window, with those that other programs may have made since its last answer.
-- `others` are their calls in the last window, `flying` are ours under way.
CREATE OR REPLACE FUNCTION krayin_sync.rate_budget_counted(
    b krayin_sync.rate_budget, others integer, flying integer, moment timestamptz
) RETURNS double precision
LANGUAGE sql IMMUTABLE AS $$
    SELECT b.used + flying + CASE
        -- Twice their usual pace, and one: they need not be regular.
        WHEN others > 0 THEN 1 + ceil(2 * others * extract(epoch FROM moment - b.used_at) / b.window_seconds)
        ELSE 0
    END
$$;

-- Decide what somebody of `my_lane` waits for besides a free slot.
-- `waiting` are the lanes with somebody waiting, this one included; `others` the calls of other programs in the last window;
-- `flying` our calls under way, `asking` those of them whose answer can be expected any moment; `poll` the longest pause.
CREATE OR REPLACE FUNCTION krayin_sync.rate_budget_decide(
    b krayin_sync.rate_budget,
    my_lane integer,
    waiting integer[],
    others integer,
    flying integer,
    asking integer,
    poll double precision,
    OUT my_turn boolean,         -- no other lane comes first
    OUT anybody_at timestamptz,  -- nobody calls before
    OUT lane_at timestamptz,     -- this lane does not call before
    OUT step interval,           -- from one call to the next of the lanes that go evenly
    OUT held_back integer        -- free slots that are left to other programs
)
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    span interval := make_interval(secs => b.window_seconds);
    a_moment timestamptz := b.clock + make_interval(secs => least(poll, 0.02));
    capacity integer := krayin_sync.rate_budget_capacity(b);
    allowed integer := krayin_sync.rate_budget_allowed(b);
    pace integer := krayin_sync.rate_budget_pace(b);
    follows boolean := krayin_sync.rate_budget_follows(b);
    owed integer := krayin_sync.rate_budget_owed_lane(b.passed_over, waiting);
BEGIN
    my_turn := my_lane = coalesce(owed, (SELECT min(lane) FROM unnest(waiting) AS lane));
    held_back := least(greatest(others - (capacity - allowed), 0), allowed - 1);
    step := span / greatest(pace - held_back, 1);

    lane_at := CASE
        -- A lane that live calls passed over has waited its share already.
        WHEN my_lane > 0 AND NOT (owed IS NOT NULL AND 0 = ANY (waiting)) THEN b.pace_at
        -- Live calls burst into whatever is free, but ahead of a pace that the server's answers allow by a window's calls only.
        WHEN follows THEN b.pace_at + step - span
        ELSE '-infinity'
    END;
    IF follows AND asking > ceil(pace * b.quickest / b.window_seconds) THEN
        -- So many at once the pace needs while answers are quickest (Little's law), and one.
        lane_at := greatest(lane_at, a_moment);
    END IF;

    anybody_at := b.blocked_until;
    IF b.clock < b.opened_by + span THEN
        IF krayin_sync.rate_budget_counted(b, others, flying, b.clock) + 1 > capacity THEN
            anybody_at := greatest(anybody_at, b.opened_by + span);
        END IF;
    ELSIF b.answered_at < b.clock - span AND asking >= greatest(pace / 20, 1) THEN
        -- After a silence nobody knows what is left: a few calls ask before the rest follow, for a moment only.
        anybody_at := greatest(anybody_at, a_moment);
    END IF;
END $$;

-- Return until when a refusal keeps everybody from calling; `retry_after` is what it said, in seconds, or null.
CREATE OR REPLACE FUNCTION krayin_sync.rate_budget_blocked_until(
    b krayin_sync.rate_budget, retry_after double precision
) RETURNS timestamptz
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    span interval := make_interval(secs => b.window_seconds);
BEGIN
    RETURN greatest(b.blocked_until, CASE
        -- The header counts whole seconds, rounded down.
        WHEN retry_after IS NOT NULL THEN b.clock
            + make_interval(secs => least(retry_after, 10 * b.window_seconds) + least(1, b.window_seconds / 60))
        WHEN b.opened_by + span > b.clock THEN b.opened_by + span
        ELSE b.clock + span
    END);
END $$;

-- Return the pace for the next round, in calls per window, by what the last round showed.
-- It is the gradient limit of Netflix's concurrency-limits, whose idea is TCP Vegas's: a square root is added as long as
-- answers take at most 1.3 times what they do at their quickest; beyond, the pace shrinks as they grow, at most by half.
-- A failure halves it. `made` are the calls per window that were made. It never goes below the 60 that Krayin 2.1 ships.
CREATE OR REPLACE FUNCTION krayin_sync.rate_budget_next_pace(
    pace double precision, ceiling integer, made double precision, slowness real[], failed boolean
) RETURNS double precision
LANGUAGE sql IMMUTABLE AS $$
    SELECT least(ceiling, greatest(60, CASE
        WHEN failed THEN pace / 2
        WHEN round.median > 1.3 THEN pace * greatest(0.5, 1.3 / round.median)
        -- Whoever makes less than half of what he may learns nothing about more.
        WHEN made < pace / 2 THEN pace
        ELSE pace + sqrt(60 * pace)
    END))
    FROM (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY s) AS median FROM unnest(slowness) AS s) AS round
$$;


-- The shell: rows that are locked, read and written

-- The only clock of the budget: machines that make calls may disagree about the time.
CREATE OR REPLACE FUNCTION krayin_sync.rate_budget_now() RETURNS timestamptz
LANGUAGE sql VOLATILE AS 'SELECT clock_timestamp()';

-- Lock and return the budget's row with its clock set to now; null when there is none.
-- A clock that jumped back by more than a hiccup takes all stored times back with it, else every slot
-- would stay taken for as long as the jump.
CREATE OR REPLACE FUNCTION krayin_sync.rate_budget_lock(budget_key text) RETURNS krayin_sync.rate_budget
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
        UPDATE krayin_sync.rate_budget_route SET quickest_at = quickest_at - back WHERE key = budget_key;
        DELETE FROM krayin_sync.rate_budget_waiter WHERE key = budget_key;
        UPDATE krayin_sync.rate_budget SET
            clock = moment,
            setting_at = setting_at - back,
            auto_at = auto_at - back,
            round_at = round_at - back,
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

-- Add or remove slots until there are as many as calls are allowed; return the budget's row with their number.
-- Slots are added at once; surplus ones leave only when free, and count as taken until then.
CREATE OR REPLACE FUNCTION krayin_sync.rate_budget_with_slots(b krayin_sync.rate_budget) RETURNS krayin_sync.rate_budget
LANGUAGE plpgsql AS $$
DECLARE
    allowed integer := krayin_sync.rate_budget_allowed(b);
    removed integer;
BEGIN
    IF b.slots < allowed THEN
        INSERT INTO krayin_sync.rate_budget_slot (key, number)
        SELECT b.key, coalesce((SELECT max(s.number) + 1 FROM krayin_sync.rate_budget_slot s WHERE s.key = b.key), 0) + i
        FROM generate_series(0, allowed - b.slots - 1) AS i;
        b.slots := allowed;
        b.first_free_at := '-infinity';
    ELSIF b.slots > allowed THEN
        DELETE FROM krayin_sync.rate_budget_slot d
        USING (
            SELECT s.number FROM krayin_sync.rate_budget_slot s
            WHERE s.key = b.key AND s.free_at <= b.clock
            ORDER BY s.free_at LIMIT b.slots - allowed
        ) AS surplus
        WHERE d.key = b.key AND d.number = surplus.number;
        GET DIAGNOSTICS removed = ROW_COUNT;
        b.slots := b.slots - removed;
    END IF;
    RETURN b;
END $$;

-- Return when the slot comes due that is left after `skipped` earlier ones; null when there are not so many.
CREATE OR REPLACE FUNCTION krayin_sync.rate_budget_slot_due(b krayin_sync.rate_budget, skipped integer) RETURNS timestamptz
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (
        SELECT s.free_at FROM krayin_sync.rate_budget_slot s
        WHERE s.key = b.key AND s.free_at >= b.first_free_at
        ORDER BY s.free_at OFFSET skipped LIMIT 1
    );
END $$;

-- Grant a slot to this waiter, or say in how many seconds to ask again.
-- Returns one row: slot_number, slot_fence, granted_at (null without a grant), wait_seconds (null with one).
CREATE OR REPLACE FUNCTION krayin_sync.rate_budget_acquire(
    budget_key text,
    my_lane integer,
    my_ticket uuid,
    my_setting integer,
    my_auto boolean,
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
    found krayin_sync.rate_budget;  -- as it is stored
    b krayin_sync.rate_budget;
    decision record;
    span interval := make_interval(secs => my_window);
    moment timestamptz;
    others integer;     -- calls of other programs in the last window
    flying integer;     -- our calls under way
    asking integer;     -- those of them whose answer can be expected any moment
    waiting integer[];  -- lanes with somebody waiting, ours included
    ahead integer;      -- waiters that come before us
    skipped integer;    -- slots that are none of ours: surplus ones, and those left to other programs
    due timestamptz;
BEGIN
    found := krayin_sync.rate_budget_lock(budget_key);
    IF found.key IS NULL THEN
        INSERT INTO krayin_sync.rate_budget (key, window_seconds, setting, setting_at, clock)
        VALUES (budget_key, my_window, my_setting, krayin_sync.rate_budget_now(), krayin_sync.rate_budget_now())
        ON CONFLICT (key) DO NOTHING;
        found := krayin_sync.rate_budget_lock(budget_key);
    END IF;
    moment := found.clock;
    b := krayin_sync.rate_budget_with_slots(krayin_sync.rate_budget_with_setting(found, my_setting, my_auto, my_window));

    SELECT coalesce(sum(f.calls), 0) INTO others
    FROM krayin_sync.rate_budget_foreign f WHERE f.key = budget_key AND f.seen_at > moment - span;
    SELECT count(*), count(*) FILTER (WHERE s.granted_at > moment - interval '2 seconds') INTO flying, asking
    FROM krayin_sync.rate_budget_slot s
    WHERE s.key = budget_key AND s.settled_at IS NULL AND s.free_at - span > moment;
    SELECT array_agg(DISTINCT w.lane::integer) || my_lane,
           count(*) FILTER (WHERE w.lane < my_lane OR (w.lane = my_lane AND w.since < coalesce(
               (SELECT me.since FROM krayin_sync.rate_budget_waiter me WHERE me.key = budget_key AND me.ticket = my_ticket),
               'infinity')))
    INTO waiting, ahead
    FROM krayin_sync.rate_budget_waiter w
    WHERE w.key = budget_key AND w.ticket <> my_ticket AND w.asks_at > moment - make_interval(secs => grace);

    decision := krayin_sync.rate_budget_decide(b, my_lane, waiting, others, flying, asking, poll);
    skipped := b.slots - krayin_sync.rate_budget_allowed(b) + decision.held_back;

    IF decision.my_turn AND decision.anybody_at <= moment AND decision.lane_at <= moment
        AND krayin_sync.rate_budget_slot_due(b, skipped) <= moment
    THEN
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
            auto_at = b.auto_at,
            slots = b.slots,
            fence = b.fence,
            clock = moment,
            first_free_at = b.first_free_at,
            -- Live calls count against the pace too, so that a burst of them is followed by a lull of the others.
            pace_at = least(greatest(b.pace_at, moment - make_interval(secs => credit)) + decision.step, moment + span),
            passed_over = krayin_sync.rate_budget_passed_over(b.passed_over, waiting, my_lane),
            own = b.own + 1
        WHERE r.key = budget_key;
        DELETE FROM krayin_sync.rate_budget_waiter w
        WHERE w.key = budget_key AND (w.ticket = my_ticket OR w.asks_at < moment - make_interval(secs => grace));
        RETURN;
    END IF;

    -- A lost wait costs nothing: the disk need not be waited for.
    PERFORM set_config('synchronous_commit', 'off', true);
    IF (b.setting, b.slots) IS DISTINCT FROM (found.setting, found.slots) THEN
        UPDATE krayin_sync.rate_budget r
        SET setting = b.setting, setting_at = b.setting_at, auto_at = b.auto_at, slots = b.slots, first_free_at = b.first_free_at
        WHERE r.key = budget_key;
    END IF;
    -- Ask again when the slot that would be ours comes due, counting those ahead of us.
    due := greatest(
        decision.anybody_at,
        decision.lane_at + ahead * decision.step,
        coalesce(krayin_sync.rate_budget_slot_due(b, skipped + ahead), 'infinity')
    );
    wait_seconds := CASE
        WHEN due <= moment THEN least(poll, 0.02)
        WHEN due < moment + make_interval(secs => poll) THEN extract(epoch FROM due - moment)
        ELSE poll
    END;
    INSERT INTO krayin_sync.rate_budget_waiter AS w (key, ticket, lane, since, asks_at)
    VALUES (budget_key, my_ticket, my_lane, moment, moment + make_interval(secs => wait_seconds))
    ON CONFLICT (key, ticket) DO UPDATE SET asks_at = excluded.asks_at;
END $$;

-- Return the budget's row with what one answer taught about the pace; the caller writes it.
CREATE OR REPLACE FUNCTION krayin_sync.rate_budget_learn(
    b krayin_sync.rate_budget, sent_at timestamptz, answering_route text, seconds double precision, failed boolean
) RETURNS krayin_sync.rate_budget
LANGUAGE plpgsql AS $$
DECLARE
    span interval := make_interval(secs => b.window_seconds);
    seen krayin_sync.rate_budget_route;
BEGIN
    IF NOT krayin_sync.rate_budget_follows(b) OR (seconds IS NULL AND NOT failed) THEN
        RETURN b;
    END IF;
    IF NOT failed THEN
        seconds := greatest(seconds, 0.0001);
        SELECT * INTO seen FROM krayin_sync.rate_budget_route r WHERE r.key = b.key AND r.route = answering_route;
        seen.answers := least(coalesce(seen.answers, 0) + 1, 10);
        seen.recent := coalesce(power(seen.recent, 1 - 1.0 / seen.answers) * power(seconds, 1.0 / seen.answers), seconds);
        -- What was quick is forgotten by and by, twice the time in five minutes: a server may have become slower for good.
        seen.quickest := CASE WHEN seen.answers < 10 THEN seen.recent ELSE least(
            seen.recent, seen.quickest * power(2, least(extract(epoch FROM b.clock - seen.quickest_at), 86400) / 300)
        ) END;
        seen.quickest_at := b.clock;
        INSERT INTO krayin_sync.rate_budget_route AS r (key, route, answers, recent, quickest, quickest_at)
        VALUES (b.key, answering_route, seen.answers, seen.recent, seen.quickest, seen.quickest_at)
        ON CONFLICT (key, route) DO UPDATE
        SET answers = excluded.answers, recent = excluded.recent, quickest = excluded.quickest, quickest_at = excluded.quickest_at;
        IF b.slowness = '{}' AND b.round_at < b.clock - span / 12 THEN
            -- A pause tells nothing about how many calls are wanted.
            b.round_at := sent_at;
        END IF;
        b.quickest := coalesce(b.quickest * 0.9 + seen.quickest * 0.1, seen.quickest);
        b.slowness := b.slowness || (seen.recent / seen.quickest)::real;
        IF cardinality(b.slowness) < 5 OR b.clock < b.round_at + span / 120 THEN
            RETURN b;
        END IF;
    ELSIF sent_at < b.round_at THEN
        -- Calls that were under way when the pace fell tell of the pace before.
        RETURN b;
    END IF;
    b.pace := krayin_sync.rate_budget_next_pace(
        b.pace, b.setting,
        -- Of the first round there is no time that PostgreSQL before 17 could subtract.
        CASE WHEN b.round_at = '-infinity' THEN 0
             ELSE cardinality(b.slowness) * b.window_seconds / greatest(extract(epoch FROM b.clock - b.round_at), 0.001) END,
        b.slowness, failed
    );
    b.round_at := b.clock;
    b.slowness := '{}';
    RETURN b;
END $$;

-- Return the budget's row with what the server counted in its window up to one answer; what other programs made of it is
-- stored. `seen` are the calls it counted, `sent_at` is when the answered call was granted.
CREATE OR REPLACE FUNCTION krayin_sync.rate_budget_with_count(
    b krayin_sync.rate_budget, sent_at timestamptz, seen integer
) RETURNS krayin_sync.rate_budget
LANGUAGE plpgsql AS $$
DECLARE
    span interval := make_interval(secs => b.window_seconds);
    others integer;
BEGIN
    SELECT coalesce(sum(f.calls), 0) INTO others
    FROM krayin_sync.rate_budget_foreign f WHERE f.key = b.key AND f.seen_at > b.clock - span;
    IF sent_at >= b.opened_by + span OR (sent_at > b.used_at AND seen <= b.used) THEN
        -- Within one window every call is told a higher number, so this one is in a new window.
        b.opened_after := greatest(b.used_sent_at, b.opened_after + span, b.clock - span);
        b.opened_by := b.clock;
        b.used := seen;
        b.used_at := b.clock;
        b.used_sent_at := sent_at;
        b.foreign_calls := 0;
        SELECT count(*) INTO b.own
        FROM krayin_sync.rate_budget_slot s
        WHERE s.key = b.key
            AND (s.settled_at > b.opened_after OR (s.settled_at IS NULL AND s.free_at - span > b.clock));
    ELSIF seen > b.used AND (sent_at >= b.opened_by OR seen <= b.own + others) THEN
        -- A call sent before the new window was known and told a high number belongs to the old one.
        b.used := seen;
        b.used_at := b.clock;
        b.used_sent_at := sent_at;
    END IF;
    -- What is neither ours nor could be ours was made by somebody else.
    IF b.used - b.own > b.foreign_calls THEN
        INSERT INTO krayin_sync.rate_budget_foreign (key, seen_at, calls)
        VALUES (b.key, b.clock, b.used - b.own - b.foreign_calls);
        b.foreign_calls := b.used - b.own;
        DELETE FROM krayin_sync.rate_budget_foreign f WHERE f.key = b.key AND f.seen_at < b.clock - span;
    END IF;
    RETURN b;
END $$;

-- Give a slot back after its call, and learn from the answer what the server counted.
-- `answered` is false when no answer came: the slot then stays taken as long as the call could still be counted.
-- `seconds` is how long a good answer of a route under the shared limit took, null for any other answer.
-- Returns whether the slot was still held under this fence.
CREATE OR REPLACE FUNCTION krayin_sync.rate_budget_settle(
    budget_key text,
    slot_number integer,
    slot_fence bigint,
    answered boolean,
    said_limit integer,
    said_remaining integer,
    refused boolean,
    retry_after double precision,
    route text,
    seconds double precision,
    failed boolean
) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    b krayin_sync.rate_budget;
    span interval;
    sent_at timestamptz;
    limit_before integer;
    believed boolean;  -- the headers are those of the limit we share
BEGIN
    b := krayin_sync.rate_budget_lock(budget_key);
    IF b.key IS NULL THEN
        RETURN false;
    END IF;
    -- A settlement that is lost with a crash leaves its slot taken longer: safe, so the disk need not be waited for.
    PERFORM set_config('synchronous_commit', 'off', true);
    span := make_interval(secs => b.window_seconds);
    -- The server counted the call before its answer came, so one window from now its window is over.
    UPDATE krayin_sync.rate_budget_slot s
    SET settled_at = b.clock, free_at = CASE WHEN answered THEN b.clock + span ELSE s.free_at END
    WHERE s.key = budget_key AND s.number = slot_number AND s.fence = slot_fence AND s.settled_at IS NULL
    RETURNING s.granted_at INTO sent_at;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    b := krayin_sync.rate_budget_learn(b, sent_at, route, seconds, failed OR refused OR NOT answered);
    IF NOT answered THEN
        UPDATE krayin_sync.rate_budget r SET pace = b.pace, round_at = b.round_at, slowness = b.slowness
        WHERE r.key = budget_key;
        RETURN true;
    END IF;
    b.answered_at := b.clock;

    limit_before := b.server_limit;
    believed := krayin_sync.rate_budget_believes(b, said_limit);
    b := krayin_sync.rate_budget_with_limit(b, said_limit, good => seconds IS NOT NULL);
    IF limit_before IS NOT NULL AND b.server_limit IS NULL THEN
        -- What other programs did counted towards a limit that is gone.
        DELETE FROM krayin_sync.rate_budget_foreign f WHERE f.key = budget_key;
    END IF;
    IF believed AND said_remaining IS NOT NULL AND NOT refused THEN
        b := krayin_sync.rate_budget_with_count(b, sent_at, said_limit - said_remaining);
        IF said_remaining = 0 THEN
            b.near_limit_until := b.opened_by + span;
        END IF;
    END IF;
    IF refused AND (believed OR said_limit IS NULL) THEN
        b.refused_at := b.clock;
        b.blocked_until := krayin_sync.rate_budget_blocked_until(b, retry_after);
        b.near_limit_until := greatest(b.near_limit_until, b.blocked_until);
    END IF;

    UPDATE krayin_sync.rate_budget r SET
        server_limit = b.server_limit,
        server_limit_at = b.server_limit_at,
        silent = b.silent,
        quickest = b.quickest,
        pace = b.pace,
        round_at = b.round_at,
        slowness = b.slowness,
        clock = b.clock,
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
