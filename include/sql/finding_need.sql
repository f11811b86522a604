-- name: information
-- Whether a difference is for information alone: accepted, a salesperson's own value, or cut to fit. A line
-- `-- include: finding_need/information` stands where it is asked.
(state = 'accepted' OR class = 'truncated' OR side IS NOT DISTINCT FROM 'theirs')
