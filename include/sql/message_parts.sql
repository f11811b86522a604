-- name: is_public
-- Whether a message (`spoken`) was said by or to the customer: no private note, no line of the log, and of the templates
-- only a survey that was answered. A line `-- include: message_parts/is_public` stands where it is asked.
(
    NOT spoken.private
    AND (
        spoken.message_type IN (0, 1)
        OR (
            spoken.message_type = 3 AND spoken.content_type = 9
            AND spoken.content_attributes::text ~ '\\?"csat_survey_response\\?"\s*:'
        )
    )
)


-- name: extras
-- What of a message's (`spoken`) attributes is brought over, each part bounded and NULL where there is none: a mail's
-- subject; its body, as Chatwoot took it apart, without styles, comments and embedded files; choices, answers and calls
-- as JSON. Included where messages are read and where they are summed up, so that both are of the same. Attributes are
-- JSON or a string of JSON, in which no NUL can be read.
CROSS JOIN LATERAL (
    SELECT
        left(parsed.told #>> '{email,subject}', 1000) AS subject,
        left(
            regexp_replace(
                regexp_replace(
                    regexp_replace(
                        left(
                            coalesce(
                                substring(parsed.told #>> '{email,text_content,reply}' FROM '\S.*'),
                                substring(parsed.told #>> '{email,html_content,reply}' FROM '\S.*'),
                                CASE WHEN parsed.told -> 'email' IS NOT NULL OR spoken.content_type = 8
                                    THEN substring(spoken.content FROM '\S.*') END,
                                substring(parsed.told #>> '{email,text_content,full}' FROM '\S.*'),
                                substring(parsed.told #>> '{email,html_content,full}' FROM '\S.*')
                            ),
                            1000000
                        ),
                        '<style.*?</style\s*>', '', 'gi'
                    ),
                    '<!--.*?-->', '', 'g'
                ),
                'data:[\w/+.;=-]+,[\w/+=%%]{64,}', '', 'gi'
            ),
            66000
        ) AS body,
        CASE WHEN length(parsed.details) <= 20000 THEN nullif(parsed.details, '{}') END AS details
    FROM (
        SELECT
            read.told,
            json_strip_nulls(json_build_object(
                'kind', CASE spoken.content_type WHEN 11 THEN 'sticker' WHEN 12 THEN 'voice_call' END,
                'items', read.told -> 'items',
                'submitted_values', read.told -> 'submitted_values',
                'submitted_email', read.told -> 'submitted_email',
                'data', read.told -> 'data',
                'is_reaction', read.told -> 'is_reaction',
                'is_unsupported', read.told -> 'is_unsupported'
            ))::text AS details
        FROM (
            SELECT CASE
                WHEN attributes.text ~ '^\s*\{.*"(email|items|submitted_values|submitted_email|data|is_reaction|is_unsupported)"\s*:'
                    THEN regexp_replace(attributes.text, '(?<!\\)((?:\\\\)*)\\u0000', '\1', 'g')::json
            END AS told
            FROM (
                SELECT CASE
                    WHEN spoken.content_attributes IS NULL OR spoken.content_type = 0 AND spoken.content_attributes::text = '{}'
                        THEN NULL
                    WHEN json_typeof(spoken.content_attributes) = 'string' THEN spoken.content_attributes #>> '{}'
                    ELSE spoken.content_attributes::text
                END AS text
                OFFSET 0
            ) AS attributes
            OFFSET 0
        ) AS read
        OFFSET 0
    ) AS parsed
    OFFSET 0
) AS extras
