-- Purpose: let the planner add up checksums in memory and in parallel for the rest of the reading transaction. It
--   knows nothing of `id >> 6` and would take every row for a group of its own, sort all of them, and use one core.
--   Compiling the expressions takes longer than computing them.
-- Parameters: none.
-- Indexes: none.
SELECT
    set_config('work_mem', '64MB', true) AS work_mem,
    set_config('enable_sort', 'off', true) AS enable_sort,
    set_config('parallel_setup_cost', '0', true) AS parallel_setup_cost,
    set_config('parallel_tuple_cost', '0', true) AS parallel_tuple_cost,
    set_config('jit', 'off', true) AS jit
