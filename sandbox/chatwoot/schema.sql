-- The tables, indexes and triggers of Chatwoot 4.15.1 (schema version 2026_06_11_184600) that the
-- integration reads or that hang on what it reads.

CREATE EXTENSION IF NOT EXISTS pg_trgm;
-- Later versions have gen_random_uuid() built in.
DO $$ BEGIN
    IF current_setting('server_version_num')::integer < 130000 THEN CREATE EXTENSION IF NOT EXISTS pgcrypto; END IF;
END $$;

CREATE TABLE schema_migrations (version character varying PRIMARY KEY);
INSERT INTO schema_migrations (version) VALUES ('20260611184600');
CREATE TABLE ar_internal_metadata (
    key character varying PRIMARY KEY,
    value character varying,
    created_at timestamp(6) without time zone NOT NULL,
    updated_at timestamp(6) without time zone NOT NULL
);

CREATE TABLE accounts (
    id serial PRIMARY KEY,
    name character varying NOT NULL,
    created_at timestamp without time zone NOT NULL,
    updated_at timestamp without time zone NOT NULL,
    locale integer DEFAULT 0,
    domain character varying(100),
    support_email character varying(100),
    feature_flags bigint DEFAULT 0 NOT NULL,
    auto_resolve_duration integer,
    limits jsonb DEFAULT '{}',
    custom_attributes jsonb DEFAULT '{}',
    status integer DEFAULT 0,
    internal_attributes jsonb DEFAULT '{}' NOT NULL,
    settings jsonb DEFAULT '{}'
);

CREATE TABLE account_users (
    id bigserial PRIMARY KEY,
    account_id bigint,
    user_id bigint,
    role integer DEFAULT 0,
    inviter_id bigint,
    created_at timestamp(6) without time zone NOT NULL,
    updated_at timestamp(6) without time zone NOT NULL,
    active_at timestamp without time zone,
    availability integer DEFAULT 0 NOT NULL,
    auto_offline boolean DEFAULT true NOT NULL,
    custom_role_id bigint,
    agent_capacity_policy_id bigint
);

CREATE TABLE users (
    id serial PRIMARY KEY,
    provider character varying DEFAULT 'email' NOT NULL,
    uid character varying DEFAULT '' NOT NULL,
    encrypted_password character varying DEFAULT '' NOT NULL,
    reset_password_token character varying,
    reset_password_sent_at timestamp without time zone,
    remember_created_at timestamp without time zone,
    sign_in_count integer DEFAULT 0 NOT NULL,
    current_sign_in_at timestamp without time zone,
    last_sign_in_at timestamp without time zone,
    current_sign_in_ip character varying,
    last_sign_in_ip character varying,
    confirmation_token character varying,
    confirmed_at timestamp without time zone,
    confirmation_sent_at timestamp without time zone,
    unconfirmed_email character varying,
    name character varying NOT NULL,
    display_name character varying,
    email character varying,
    tokens json,
    created_at timestamp without time zone NOT NULL,
    updated_at timestamp without time zone NOT NULL,
    pubsub_token character varying,
    availability integer DEFAULT 0,
    ui_settings jsonb DEFAULT '{}',
    custom_attributes jsonb DEFAULT '{}',
    type character varying,
    message_signature text,
    otp_secret character varying,
    consumed_timestep integer,
    otp_required_for_login boolean DEFAULT false,
    otp_backup_codes text
);

CREATE TABLE access_tokens (
    id bigserial PRIMARY KEY,
    owner_type character varying,
    owner_id bigint,
    token character varying,
    created_at timestamp(6) without time zone NOT NULL,
    updated_at timestamp(6) without time zone NOT NULL
);

CREATE TABLE contacts (
    id serial PRIMARY KEY,
    name character varying DEFAULT '',
    email character varying,
    phone_number character varying,
    account_id integer NOT NULL,
    created_at timestamp without time zone NOT NULL,
    updated_at timestamp without time zone NOT NULL,
    additional_attributes jsonb DEFAULT '{}',
    identifier character varying,
    custom_attributes jsonb DEFAULT '{}',
    last_activity_at timestamp without time zone,
    contact_type integer DEFAULT 0,
    middle_name character varying DEFAULT '',
    last_name character varying DEFAULT '',
    location character varying DEFAULT '',
    country_code character varying DEFAULT '',
    blocked boolean DEFAULT false NOT NULL,
    company_id bigint
);

CREATE TABLE contact_inboxes (
    id bigserial PRIMARY KEY,
    contact_id bigint,
    inbox_id bigint,
    source_id text NOT NULL,
    created_at timestamp(6) without time zone NOT NULL,
    updated_at timestamp(6) without time zone NOT NULL,
    hmac_verified boolean DEFAULT false,
    pubsub_token character varying
);

CREATE TABLE conversations (
    id serial PRIMARY KEY,
    account_id integer NOT NULL,
    inbox_id integer NOT NULL,
    status integer DEFAULT 0 NOT NULL,
    assignee_id integer,
    created_at timestamp without time zone NOT NULL,
    updated_at timestamp without time zone NOT NULL,
    contact_id bigint,
    display_id integer NOT NULL,
    contact_last_seen_at timestamp without time zone,
    agent_last_seen_at timestamp without time zone,
    additional_attributes jsonb DEFAULT '{}',
    contact_inbox_id bigint,
    uuid uuid DEFAULT gen_random_uuid() NOT NULL,
    identifier character varying,
    last_activity_at timestamp without time zone DEFAULT CURRENT_TIMESTAMP NOT NULL,
    team_id bigint,
    campaign_id bigint,
    snoozed_until timestamp without time zone,
    custom_attributes jsonb DEFAULT '{}',
    assignee_last_seen_at timestamp without time zone,
    first_reply_created_at timestamp without time zone,
    priority integer,
    sla_policy_id bigint,
    waiting_since timestamp(6) without time zone,
    cached_label_list text,
    assignee_agent_bot_id bigint
);

CREATE TABLE conversation_participants (
    id bigserial PRIMARY KEY,
    account_id bigint NOT NULL,
    user_id bigint NOT NULL,
    conversation_id bigint NOT NULL,
    created_at timestamp(6) without time zone NOT NULL,
    updated_at timestamp(6) without time zone NOT NULL
);

CREATE TABLE mentions (
    id bigserial PRIMARY KEY,
    user_id bigint NOT NULL,
    conversation_id bigint NOT NULL,
    account_id bigint NOT NULL,
    mentioned_at timestamp without time zone NOT NULL,
    created_at timestamp(6) without time zone NOT NULL,
    updated_at timestamp(6) without time zone NOT NULL
);

CREATE TABLE messages (
    id serial PRIMARY KEY,
    content text,
    account_id integer NOT NULL,
    inbox_id integer NOT NULL,
    conversation_id integer NOT NULL,
    message_type integer NOT NULL,
    created_at timestamp without time zone NOT NULL,
    updated_at timestamp without time zone NOT NULL,
    private boolean DEFAULT false NOT NULL,
    status integer DEFAULT 0,
    source_id text,
    content_type integer DEFAULT 0 NOT NULL,
    content_attributes json DEFAULT '{}',
    sender_type character varying,
    sender_id bigint,
    external_source_ids jsonb DEFAULT '{}',
    additional_attributes jsonb DEFAULT '{}',
    processed_message_content text,
    sentiment jsonb DEFAULT '{}'
);

CREATE TABLE attachments (
    id serial PRIMARY KEY,
    file_type integer DEFAULT 0,
    external_url character varying,
    coordinates_lat double precision DEFAULT 0.0,
    coordinates_long double precision DEFAULT 0.0,
    message_id integer NOT NULL,
    account_id integer NOT NULL,
    created_at timestamp without time zone NOT NULL,
    updated_at timestamp without time zone NOT NULL,
    fallback_title character varying,
    extension character varying,
    meta jsonb DEFAULT '{}'
);

CREATE TABLE active_storage_blobs (
    id bigserial PRIMARY KEY,
    key character varying NOT NULL,
    filename character varying NOT NULL,
    content_type character varying,
    metadata text,
    byte_size bigint NOT NULL,
    checksum character varying,
    created_at timestamp without time zone NOT NULL,
    service_name character varying NOT NULL
);

CREATE TABLE active_storage_attachments (
    id bigserial PRIMARY KEY,
    name character varying NOT NULL,
    record_type character varying NOT NULL,
    record_id bigint NOT NULL,
    blob_id bigint NOT NULL,
    created_at timestamp without time zone NOT NULL
);

CREATE TABLE active_storage_variant_records (
    id bigserial PRIMARY KEY,
    blob_id bigint NOT NULL,
    variation_digest character varying NOT NULL
);

CREATE TABLE inboxes (
    id serial PRIMARY KEY,
    channel_id integer NOT NULL,
    account_id integer NOT NULL,
    name character varying NOT NULL,
    created_at timestamp without time zone NOT NULL,
    updated_at timestamp without time zone NOT NULL,
    channel_type character varying,
    enable_auto_assignment boolean DEFAULT true,
    greeting_enabled boolean DEFAULT false,
    greeting_message character varying,
    email_address character varying,
    working_hours_enabled boolean DEFAULT false,
    out_of_office_message character varying,
    timezone character varying DEFAULT 'UTC',
    enable_email_collect boolean DEFAULT true,
    csat_survey_enabled boolean DEFAULT false,
    allow_messages_after_resolved boolean DEFAULT true,
    auto_assignment_config jsonb DEFAULT '{}',
    lock_to_single_conversation boolean DEFAULT false NOT NULL,
    portal_id bigint,
    sender_name_type integer DEFAULT 0 NOT NULL,
    business_name character varying,
    csat_config jsonb DEFAULT '{}' NOT NULL
);

CREATE TABLE inbox_members (
    id serial PRIMARY KEY,
    user_id integer NOT NULL,
    inbox_id integer NOT NULL,
    created_at timestamp without time zone NOT NULL,
    updated_at timestamp without time zone NOT NULL
);

CREATE TABLE channel_api (
    id bigserial PRIMARY KEY,
    account_id integer NOT NULL,
    webhook_url character varying,
    created_at timestamp(6) without time zone NOT NULL,
    updated_at timestamp(6) without time zone NOT NULL,
    identifier character varying,
    hmac_token character varying,
    hmac_mandatory boolean DEFAULT false,
    additional_attributes jsonb DEFAULT '{}',
    secret character varying
);

CREATE TABLE channel_email (
    id bigserial PRIMARY KEY,
    account_id integer NOT NULL,
    email character varying NOT NULL,
    forward_to_email character varying NOT NULL,
    created_at timestamp(6) without time zone NOT NULL,
    updated_at timestamp(6) without time zone NOT NULL,
    imap_enabled boolean DEFAULT false,
    imap_address character varying DEFAULT '',
    imap_port integer DEFAULT 0,
    imap_login character varying DEFAULT '',
    imap_password character varying DEFAULT '',
    imap_enable_ssl boolean DEFAULT true,
    smtp_enabled boolean DEFAULT false,
    smtp_address character varying DEFAULT '',
    smtp_port integer DEFAULT 0,
    smtp_login character varying DEFAULT '',
    smtp_password character varying DEFAULT '',
    smtp_domain character varying DEFAULT '',
    smtp_enable_starttls_auto boolean DEFAULT true,
    smtp_authentication character varying DEFAULT 'login',
    smtp_openssl_verify_mode character varying DEFAULT 'none',
    smtp_enable_ssl_tls boolean DEFAULT false,
    provider_config jsonb DEFAULT '{}',
    provider character varying,
    imap_authentication character varying DEFAULT 'plain',
    verified_for_sending boolean DEFAULT false NOT NULL
);

CREATE TABLE channel_facebook_pages (
    id serial PRIMARY KEY,
    page_id character varying NOT NULL,
    user_access_token character varying NOT NULL,
    page_access_token character varying NOT NULL,
    account_id integer NOT NULL,
    created_at timestamp without time zone NOT NULL,
    updated_at timestamp without time zone NOT NULL,
    instagram_id character varying
);

CREATE TABLE channel_instagram (
    id bigserial PRIMARY KEY,
    access_token character varying NOT NULL,
    expires_at timestamp(6) without time zone NOT NULL,
    account_id integer NOT NULL,
    instagram_id character varying NOT NULL,
    created_at timestamp(6) without time zone NOT NULL,
    updated_at timestamp(6) without time zone NOT NULL
);

CREATE TABLE channel_line (
    id bigserial PRIMARY KEY,
    account_id integer NOT NULL,
    line_channel_id character varying NOT NULL,
    line_channel_secret character varying NOT NULL,
    line_channel_token character varying NOT NULL,
    created_at timestamp(6) without time zone NOT NULL,
    updated_at timestamp(6) without time zone NOT NULL
);

CREATE TABLE channel_sms (
    id bigserial PRIMARY KEY,
    account_id integer NOT NULL,
    phone_number character varying NOT NULL,
    provider character varying DEFAULT 'default',
    provider_config jsonb DEFAULT '{}',
    created_at timestamp(6) without time zone NOT NULL,
    updated_at timestamp(6) without time zone NOT NULL
);

CREATE TABLE channel_telegram (
    id bigserial PRIMARY KEY,
    bot_name character varying,
    account_id integer NOT NULL,
    bot_token character varying NOT NULL,
    created_at timestamp(6) without time zone NOT NULL,
    updated_at timestamp(6) without time zone NOT NULL
);

CREATE TABLE channel_tiktok (
    id bigserial PRIMARY KEY,
    account_id integer NOT NULL,
    business_id character varying NOT NULL,
    access_token character varying NOT NULL,
    expires_at timestamp(6) without time zone NOT NULL,
    refresh_token character varying NOT NULL,
    refresh_token_expires_at timestamp(6) without time zone NOT NULL,
    created_at timestamp(6) without time zone NOT NULL,
    updated_at timestamp(6) without time zone NOT NULL
);

CREATE TABLE channel_twilio_sms (
    id bigserial PRIMARY KEY,
    phone_number character varying,
    auth_token character varying NOT NULL,
    account_sid character varying NOT NULL,
    account_id integer NOT NULL,
    created_at timestamp(6) without time zone NOT NULL,
    updated_at timestamp(6) without time zone NOT NULL,
    medium integer DEFAULT 0,
    messaging_service_sid character varying,
    api_key_sid character varying,
    content_templates jsonb DEFAULT '{}',
    content_templates_last_updated timestamp(6) without time zone,
    voice_enabled boolean DEFAULT false NOT NULL,
    twiml_app_sid character varying,
    api_key_secret character varying,
    provider_config jsonb DEFAULT '{}'
);

CREATE TABLE channel_twitter_profiles (
    id bigserial PRIMARY KEY,
    profile_id character varying NOT NULL,
    twitter_access_token character varying NOT NULL,
    twitter_access_token_secret character varying NOT NULL,
    account_id integer NOT NULL,
    created_at timestamp(6) without time zone NOT NULL,
    updated_at timestamp(6) without time zone NOT NULL,
    tweets_enabled boolean DEFAULT true
);

CREATE TABLE channel_web_widgets (
    id serial PRIMARY KEY,
    website_url character varying,
    account_id integer,
    created_at timestamp without time zone NOT NULL,
    updated_at timestamp without time zone NOT NULL,
    website_token character varying,
    widget_color character varying DEFAULT '#1f93ff',
    welcome_title character varying,
    welcome_tagline character varying,
    feature_flags integer DEFAULT 7 NOT NULL,
    reply_time integer DEFAULT 0,
    hmac_token character varying,
    pre_chat_form_enabled boolean DEFAULT false,
    pre_chat_form_options jsonb DEFAULT '{}',
    hmac_mandatory boolean DEFAULT false,
    continuity_via_email boolean DEFAULT true NOT NULL,
    allowed_domains text DEFAULT ''
);

CREATE TABLE channel_whatsapp (
    id bigserial PRIMARY KEY,
    account_id integer NOT NULL,
    phone_number character varying NOT NULL,
    provider character varying DEFAULT 'default',
    provider_config jsonb DEFAULT '{}',
    created_at timestamp(6) without time zone NOT NULL,
    updated_at timestamp(6) without time zone NOT NULL,
    message_templates jsonb DEFAULT '{}',
    message_templates_last_updated timestamp without time zone
);

CREATE TABLE labels (
    id bigserial PRIMARY KEY,
    title character varying,
    description text,
    color character varying DEFAULT '#1f93ff' NOT NULL,
    show_on_sidebar boolean,
    account_id bigint,
    created_at timestamp(6) without time zone NOT NULL,
    updated_at timestamp(6) without time zone NOT NULL
);

CREATE TABLE tags (
    id serial PRIMARY KEY,
    name character varying,
    taggings_count integer DEFAULT 0
);

CREATE TABLE taggings (
    id serial PRIMARY KEY,
    tag_id integer,
    taggable_type character varying,
    taggable_id integer,
    tagger_type character varying,
    tagger_id integer,
    context character varying(128),
    created_at timestamp without time zone
);

CREATE TABLE teams (
    id bigserial PRIMARY KEY,
    name character varying NOT NULL,
    description text,
    allow_auto_assign boolean DEFAULT true,
    account_id bigint NOT NULL,
    created_at timestamp(6) without time zone NOT NULL,
    updated_at timestamp(6) without time zone NOT NULL
);

CREATE TABLE team_members (
    id bigserial PRIMARY KEY,
    team_id bigint NOT NULL,
    user_id bigint NOT NULL,
    created_at timestamp(6) without time zone NOT NULL,
    updated_at timestamp(6) without time zone NOT NULL
);

CREATE TABLE custom_attribute_definitions (
    id bigserial PRIMARY KEY,
    attribute_display_name character varying,
    attribute_key character varying,
    attribute_display_type integer DEFAULT 0,
    default_value integer,
    attribute_model integer DEFAULT 0,
    account_id bigint,
    created_at timestamp(6) without time zone NOT NULL,
    updated_at timestamp(6) without time zone NOT NULL,
    attribute_description text,
    attribute_values jsonb DEFAULT '[]',
    regex_pattern character varying,
    regex_cue character varying
);

CREATE TABLE custom_filters (
    id bigserial PRIMARY KEY,
    name character varying NOT NULL,
    filter_type integer DEFAULT 0 NOT NULL,
    query jsonb DEFAULT '{}' NOT NULL,
    account_id bigint NOT NULL,
    user_id bigint NOT NULL,
    created_at timestamp(6) without time zone NOT NULL,
    updated_at timestamp(6) without time zone NOT NULL
);

CREATE TABLE companies (
    id bigserial PRIMARY KEY,
    name character varying NOT NULL,
    domain character varying,
    description text,
    account_id bigint NOT NULL,
    created_at timestamp(6) without time zone NOT NULL,
    updated_at timestamp(6) without time zone NOT NULL,
    contacts_count integer,
    additional_attributes jsonb DEFAULT '{}',
    custom_attributes jsonb DEFAULT '{}',
    last_activity_at timestamp without time zone
);

CREATE TABLE notes (
    id bigserial PRIMARY KEY,
    content text NOT NULL,
    account_id bigint NOT NULL,
    contact_id bigint NOT NULL,
    user_id bigint,
    created_at timestamp(6) without time zone NOT NULL,
    updated_at timestamp(6) without time zone NOT NULL
);

CREATE TABLE csat_survey_responses (
    id bigserial PRIMARY KEY,
    account_id bigint NOT NULL,
    conversation_id bigint NOT NULL,
    message_id bigint NOT NULL,
    rating integer NOT NULL,
    feedback_message text,
    contact_id bigint NOT NULL,
    assigned_agent_id bigint,
    created_at timestamp(6) without time zone NOT NULL,
    updated_at timestamp(6) without time zone NOT NULL,
    csat_review_notes text,
    review_notes_updated_at timestamp(6) without time zone,
    review_notes_updated_by_id bigint
);

CREATE TABLE reporting_events (
    id bigserial PRIMARY KEY,
    name character varying,
    value double precision,
    account_id integer,
    inbox_id integer,
    user_id integer,
    conversation_id integer,
    created_at timestamp(6) without time zone NOT NULL,
    updated_at timestamp(6) without time zone NOT NULL,
    value_in_business_hours double precision,
    event_start_time timestamp without time zone,
    event_end_time timestamp without time zone
);

CREATE TABLE integrations_hooks (
    id bigserial PRIMARY KEY,
    status integer DEFAULT 1,
    inbox_id integer,
    account_id integer,
    app_id character varying,
    hook_type integer DEFAULT 0,
    reference_id character varying,
    access_token character varying,
    created_at timestamp(6) without time zone NOT NULL,
    updated_at timestamp(6) without time zone NOT NULL,
    settings jsonb DEFAULT '{}'
);

CREATE TABLE webhooks (
    id bigserial PRIMARY KEY,
    account_id integer,
    inbox_id integer,
    url text,
    created_at timestamp(6) without time zone NOT NULL,
    updated_at timestamp(6) without time zone NOT NULL,
    webhook_type integer DEFAULT 0,
    subscriptions jsonb DEFAULT '["conversation_status_changed", "conversation_updated", "conversation_created", "contact_created", "contact_updated", "message_created", "message_updated", "webwidget_triggered"]',
    name character varying,
    secret character varying
);

CREATE TABLE agent_bots (
    id bigserial PRIMARY KEY,
    name character varying,
    description character varying,
    outgoing_url character varying,
    created_at timestamp(6) without time zone NOT NULL,
    updated_at timestamp(6) without time zone NOT NULL,
    account_id bigint,
    bot_type integer DEFAULT 0,
    bot_config jsonb DEFAULT '{}',
    secret character varying
);

CREATE TABLE agent_bot_inboxes (
    id bigserial PRIMARY KEY,
    inbox_id integer,
    agent_bot_id integer,
    status integer DEFAULT 0,
    created_at timestamp(6) without time zone NOT NULL,
    updated_at timestamp(6) without time zone NOT NULL,
    account_id integer
);

CREATE TABLE installation_configs (
    id bigserial PRIMARY KEY,
    name character varying NOT NULL,
    serialized_value jsonb DEFAULT '{}' NOT NULL,
    created_at timestamp(6) without time zone NOT NULL,
    updated_at timestamp(6) without time zone NOT NULL,
    locked boolean DEFAULT true NOT NULL
);

CREATE TABLE campaigns (
    id bigserial PRIMARY KEY,
    display_id integer NOT NULL,
    title character varying NOT NULL,
    description text,
    message text NOT NULL,
    sender_id integer,
    enabled boolean DEFAULT true,
    account_id bigint NOT NULL,
    inbox_id bigint NOT NULL,
    trigger_rules jsonb DEFAULT '{}',
    created_at timestamp(6) without time zone NOT NULL,
    updated_at timestamp(6) without time zone NOT NULL,
    campaign_type integer DEFAULT 0 NOT NULL,
    campaign_status integer DEFAULT 0 NOT NULL,
    audience jsonb DEFAULT '[]',
    scheduled_at timestamp without time zone,
    trigger_only_during_business_hours boolean DEFAULT false,
    template_params jsonb
);

CREATE TABLE data_imports (
    id bigserial PRIMARY KEY,
    account_id bigint NOT NULL,
    data_type character varying NOT NULL,
    status integer DEFAULT 0 NOT NULL,
    processing_errors text,
    total_records integer,
    processed_records integer,
    created_at timestamp(6) without time zone NOT NULL,
    updated_at timestamp(6) without time zone NOT NULL
);

CREATE TABLE audits (
    id bigserial PRIMARY KEY,
    auditable_id bigint,
    auditable_type character varying,
    associated_id bigint,
    associated_type character varying,
    user_id bigint,
    user_type character varying,
    username character varying,
    action character varying,
    audited_changes jsonb,
    version integer DEFAULT 0,
    comment character varying,
    remote_address character varying,
    request_uuid character varying,
    created_at timestamp without time zone
);

CREATE TABLE applied_slas (
    id bigserial PRIMARY KEY,
    account_id bigint NOT NULL,
    sla_policy_id bigint NOT NULL,
    conversation_id bigint NOT NULL,
    created_at timestamp(6) without time zone NOT NULL,
    updated_at timestamp(6) without time zone NOT NULL,
    sla_status integer DEFAULT 0
);

CREATE TABLE sla_policies (
    id bigserial PRIMARY KEY,
    name character varying NOT NULL,
    first_response_time_threshold double precision,
    next_response_time_threshold double precision,
    only_during_business_hours boolean DEFAULT false,
    account_id bigint NOT NULL,
    created_at timestamp(6) without time zone NOT NULL,
    updated_at timestamp(6) without time zone NOT NULL,
    description character varying,
    resolution_time_threshold double precision
);

CREATE TABLE calls (
    id bigserial PRIMARY KEY,
    account_id bigint NOT NULL,
    inbox_id bigint NOT NULL,
    conversation_id bigint NOT NULL,
    contact_id bigint NOT NULL,
    message_id bigint,
    accepted_by_agent_id bigint,
    provider_call_id character varying NOT NULL,
    provider integer DEFAULT 0 NOT NULL,
    direction integer NOT NULL,
    status character varying DEFAULT 'ringing' NOT NULL,
    started_at timestamp(6) without time zone,
    duration_seconds integer,
    end_reason character varying,
    meta jsonb DEFAULT '{}',
    transcript text,
    created_at timestamp(6) without time zone NOT NULL,
    updated_at timestamp(6) without time zone NOT NULL
);

CREATE TABLE captain_assistants (
    id bigserial PRIMARY KEY,
    name character varying NOT NULL,
    account_id bigint NOT NULL,
    description character varying,
    created_at timestamp(6) without time zone NOT NULL,
    updated_at timestamp(6) without time zone NOT NULL,
    config jsonb DEFAULT '{}' NOT NULL,
    response_guidelines jsonb DEFAULT '[]',
    guardrails jsonb DEFAULT '[]'
);

CREATE INDEX index_access_tokens_on_owner_type_and_owner_id ON access_tokens (owner_type, owner_id);
CREATE UNIQUE INDEX index_access_tokens_on_token ON access_tokens (token);
CREATE UNIQUE INDEX uniq_user_id_per_account_id ON account_users (account_id, user_id);
CREATE INDEX index_account_users_on_account_id ON account_users (account_id);
CREATE INDEX index_account_users_on_agent_capacity_policy_id ON account_users (agent_capacity_policy_id);
CREATE INDEX index_account_users_on_custom_role_id ON account_users (custom_role_id);
CREATE INDEX index_account_users_on_user_id ON account_users (user_id);
CREATE INDEX index_accounts_on_status ON accounts (status);
CREATE INDEX index_active_storage_attachments_on_blob_id ON active_storage_attachments (blob_id);
CREATE UNIQUE INDEX index_active_storage_attachments_uniqueness ON active_storage_attachments (record_type, record_id, name, blob_id);
CREATE UNIQUE INDEX index_active_storage_blobs_on_key ON active_storage_blobs (key);
CREATE UNIQUE INDEX index_active_storage_variant_records_uniqueness ON active_storage_variant_records (blob_id, variation_digest);
CREATE INDEX index_agent_bots_on_account_id ON agent_bots (account_id);
CREATE UNIQUE INDEX index_applied_slas_on_account_sla_policy_conversation ON applied_slas (account_id, sla_policy_id, conversation_id);
CREATE INDEX index_applied_slas_on_account_id ON applied_slas (account_id);
CREATE INDEX index_applied_slas_on_conversation_id ON applied_slas (conversation_id);
CREATE INDEX index_applied_slas_on_sla_policy_id ON applied_slas (sla_policy_id);
CREATE INDEX index_attachments_on_account_id ON attachments (account_id);
CREATE INDEX index_attachments_on_message_id ON attachments (message_id);
CREATE INDEX associated_index ON audits (associated_type, associated_id);
CREATE INDEX auditable_index ON audits (auditable_type, auditable_id, version);
CREATE INDEX index_audits_on_created_at ON audits (created_at);
CREATE INDEX index_audits_on_request_uuid ON audits (request_uuid);
CREATE INDEX user_index ON audits (user_id, user_type);
CREATE INDEX index_calls_on_account_id_and_contact_id ON calls (account_id, contact_id);
CREATE INDEX index_calls_on_account_id_and_conversation_id ON calls (account_id, conversation_id);
CREATE INDEX index_calls_on_message_id ON calls (message_id);
CREATE UNIQUE INDEX index_calls_on_provider_and_provider_call_id ON calls (provider, provider_call_id);
CREATE INDEX index_campaigns_on_account_id ON campaigns (account_id);
CREATE INDEX index_campaigns_on_campaign_status ON campaigns (campaign_status);
CREATE INDEX index_campaigns_on_campaign_type ON campaigns (campaign_type);
CREATE INDEX index_campaigns_on_inbox_id ON campaigns (inbox_id);
CREATE INDEX index_campaigns_on_scheduled_at ON campaigns (scheduled_at);
CREATE INDEX index_captain_assistants_on_account_id ON captain_assistants (account_id);
CREATE UNIQUE INDEX index_channel_api_on_hmac_token ON channel_api (hmac_token);
CREATE UNIQUE INDEX index_channel_api_on_identifier ON channel_api (identifier);
CREATE UNIQUE INDEX index_channel_email_on_email ON channel_email (email);
CREATE UNIQUE INDEX index_channel_email_on_forward_to_email ON channel_email (forward_to_email);
CREATE UNIQUE INDEX index_channel_facebook_pages_on_page_id_and_account_id ON channel_facebook_pages (page_id, account_id);
CREATE INDEX index_channel_facebook_pages_on_page_id ON channel_facebook_pages (page_id);
CREATE UNIQUE INDEX index_channel_instagram_on_instagram_id ON channel_instagram (instagram_id);
CREATE UNIQUE INDEX index_channel_line_on_line_channel_id ON channel_line (line_channel_id);
CREATE UNIQUE INDEX index_channel_sms_on_phone_number ON channel_sms (phone_number);
CREATE UNIQUE INDEX index_channel_telegram_on_bot_token ON channel_telegram (bot_token);
CREATE UNIQUE INDEX index_channel_tiktok_on_business_id ON channel_tiktok (business_id);
CREATE UNIQUE INDEX index_channel_twilio_sms_on_account_sid_and_phone_number ON channel_twilio_sms (account_sid, phone_number);
CREATE UNIQUE INDEX index_channel_twilio_sms_on_messaging_service_sid ON channel_twilio_sms (messaging_service_sid);
CREATE UNIQUE INDEX index_channel_twilio_sms_on_phone_number ON channel_twilio_sms (phone_number);
CREATE UNIQUE INDEX index_channel_twitter_profiles_on_account_id_and_profile_id ON channel_twitter_profiles (account_id, profile_id);
CREATE UNIQUE INDEX index_channel_web_widgets_on_hmac_token ON channel_web_widgets (hmac_token);
CREATE UNIQUE INDEX index_channel_web_widgets_on_website_token ON channel_web_widgets (website_token);
CREATE UNIQUE INDEX index_channel_whatsapp_on_phone_number ON channel_whatsapp (phone_number);
CREATE UNIQUE INDEX index_companies_on_account_and_domain ON companies (account_id, domain)
    WHERE (domain IS NOT NULL);
CREATE INDEX index_companies_on_account_id ON companies (account_id);
CREATE INDEX index_companies_on_name_and_account_id ON companies (name, account_id);
CREATE INDEX index_contact_inboxes_on_contact_id ON contact_inboxes (contact_id);
CREATE UNIQUE INDEX index_contact_inboxes_on_inbox_id_and_source_id ON contact_inboxes (inbox_id, source_id);
CREATE INDEX index_contact_inboxes_on_inbox_id ON contact_inboxes (inbox_id);
CREATE UNIQUE INDEX index_contact_inboxes_on_pubsub_token ON contact_inboxes (pubsub_token);
CREATE INDEX index_contact_inboxes_on_source_id ON contact_inboxes (source_id);
CREATE INDEX index_contacts_on_lower_email_account_id ON contacts (lower((email)::text), account_id);
CREATE INDEX index_contacts_on_account_id_and_contact_type ON contacts (account_id, contact_type);
CREATE INDEX index_contacts_on_nonempty_fields ON contacts (account_id, email, phone_number, identifier)
    WHERE (((email)::text <> ''::text) OR ((phone_number)::text <> ''::text) OR ((identifier)::text <> ''::text));
CREATE INDEX index_contacts_on_account_id_and_last_activity_at ON contacts (account_id, last_activity_at DESC NULLS LAST);
CREATE INDEX index_contacts_on_account_id ON contacts (account_id);
CREATE INDEX index_resolved_contact_account_id ON contacts (account_id)
    WHERE (((email)::text <> ''::text) OR ((phone_number)::text <> ''::text) OR ((identifier)::text <> ''::text));
CREATE INDEX index_contacts_on_blocked ON contacts (blocked);
CREATE INDEX index_contacts_on_company_id ON contacts (company_id);
CREATE UNIQUE INDEX uniq_email_per_account_contact ON contacts (email, account_id);
CREATE UNIQUE INDEX uniq_identifier_per_account_contact ON contacts (identifier, account_id);
CREATE INDEX index_contacts_on_name_email_phone_number_identifier ON contacts USING gin (name gin_trgm_ops, email gin_trgm_ops, phone_number gin_trgm_ops, identifier gin_trgm_ops);
CREATE INDEX index_contacts_on_phone_number_and_account_id ON contacts (phone_number, account_id);
CREATE INDEX index_conversation_participants_on_account_id ON conversation_participants (account_id);
CREATE INDEX index_conversation_participants_on_conversation_id ON conversation_participants (conversation_id);
CREATE UNIQUE INDEX index_conversation_participants_on_user_id_and_conversation_id ON conversation_participants (user_id, conversation_id);
CREATE INDEX index_conversation_participants_on_user_id ON conversation_participants (user_id);
CREATE UNIQUE INDEX index_conversations_on_account_id_and_display_id ON conversations (account_id, display_id);
CREATE INDEX index_conversations_on_id_and_account_id ON conversations (account_id, id);
CREATE INDEX conv_acid_inbid_stat_asgnid_idx ON conversations (account_id, inbox_id, status, assignee_id);
CREATE INDEX index_conversations_on_account_id ON conversations (account_id);
CREATE INDEX index_conversations_on_assignee_id_and_account_id ON conversations (assignee_id, account_id);
CREATE INDEX index_conversations_on_campaign_id ON conversations (campaign_id);
CREATE INDEX index_conversations_on_contact_id ON conversations (contact_id);
CREATE INDEX index_conversations_on_contact_inbox_id ON conversations (contact_inbox_id);
CREATE INDEX index_conversations_on_first_reply_created_at ON conversations (first_reply_created_at);
CREATE INDEX index_conversations_on_identifier_and_account_id ON conversations (identifier, account_id);
CREATE INDEX index_conversations_on_inbox_id ON conversations (inbox_id);
CREATE INDEX index_conversations_on_priority ON conversations (priority);
CREATE INDEX index_conversations_on_status_and_account_id ON conversations (status, account_id);
CREATE INDEX index_conversations_on_status_and_priority ON conversations (status, priority);
CREATE INDEX index_conversations_on_team_id ON conversations (team_id);
CREATE UNIQUE INDEX index_conversations_on_uuid ON conversations (uuid);
CREATE INDEX index_conversations_on_waiting_since ON conversations (waiting_since);
CREATE INDEX index_csat_survey_responses_on_account_id ON csat_survey_responses (account_id);
CREATE INDEX index_csat_survey_responses_on_assigned_agent_id ON csat_survey_responses (assigned_agent_id);
CREATE INDEX index_csat_survey_responses_on_contact_id ON csat_survey_responses (contact_id);
CREATE INDEX index_csat_survey_responses_on_conversation_id ON csat_survey_responses (conversation_id);
CREATE UNIQUE INDEX index_csat_survey_responses_on_message_id ON csat_survey_responses (message_id);
CREATE INDEX index_csat_survey_responses_on_review_notes_updated_by_id ON csat_survey_responses (review_notes_updated_by_id);
CREATE INDEX index_custom_attribute_definitions_on_account_id ON custom_attribute_definitions (account_id);
CREATE UNIQUE INDEX attribute_key_model_index ON custom_attribute_definitions (attribute_key, attribute_model, account_id);
CREATE INDEX index_custom_filters_on_account_id ON custom_filters (account_id);
CREATE INDEX index_custom_filters_on_user_id ON custom_filters (user_id);
CREATE INDEX index_data_imports_on_account_id ON data_imports (account_id);
CREATE UNIQUE INDEX index_inbox_members_on_inbox_id_and_user_id ON inbox_members (inbox_id, user_id);
CREATE INDEX index_inbox_members_on_inbox_id ON inbox_members (inbox_id);
CREATE INDEX index_inboxes_on_account_id ON inboxes (account_id);
CREATE INDEX index_inboxes_on_channel_id_and_channel_type ON inboxes (channel_id, channel_type);
CREATE INDEX index_inboxes_on_portal_id ON inboxes (portal_id);
CREATE UNIQUE INDEX index_installation_configs_on_name_and_created_at ON installation_configs (name, created_at);
CREATE UNIQUE INDEX index_installation_configs_on_name ON installation_configs (name);
CREATE INDEX index_labels_on_account_id ON labels (account_id);
CREATE UNIQUE INDEX index_labels_on_title_and_account_id ON labels (title, account_id);
CREATE INDEX index_mentions_on_account_id ON mentions (account_id);
CREATE INDEX index_mentions_on_conversation_id ON mentions (conversation_id);
CREATE UNIQUE INDEX index_mentions_on_user_id_and_conversation_id ON mentions (user_id, conversation_id);
CREATE INDEX index_mentions_on_user_id ON mentions (user_id);
CREATE INDEX index_messages_on_additional_attributes_campaign_id ON messages USING gin (((additional_attributes -> 'campaign_id'::text)));
CREATE INDEX idx_messages_account_content_created ON messages (account_id, content_type, created_at);
CREATE INDEX index_messages_on_account_created_type ON messages (account_id, created_at, message_type);
CREATE INDEX index_messages_on_account_id_and_inbox_id ON messages (account_id, inbox_id);
CREATE INDEX index_messages_on_account_id ON messages (account_id);
CREATE INDEX index_messages_on_content ON messages USING gin (content gin_trgm_ops);
CREATE INDEX index_messages_on_conversation_account_type_created ON messages (conversation_id, account_id, message_type, created_at);
CREATE INDEX index_messages_on_conversation_id ON messages (conversation_id);
CREATE INDEX index_messages_on_created_at ON messages (created_at);
CREATE INDEX index_messages_on_inbox_id ON messages (inbox_id);
CREATE INDEX index_messages_on_sender_type_and_sender_id ON messages (sender_type, sender_id);
CREATE INDEX index_messages_on_source_id ON messages (source_id);
CREATE INDEX index_notes_on_account_id ON notes (account_id);
CREATE INDEX index_notes_on_contact_id ON notes (contact_id);
CREATE INDEX index_notes_on_user_id ON notes (user_id);
CREATE INDEX reporting_events__account_id__name__created_at ON reporting_events (account_id, name, created_at);
CREATE INDEX index_reporting_events_for_response_distribution ON reporting_events (account_id, name, inbox_id, created_at);
CREATE INDEX index_reporting_events_on_account_id ON reporting_events (account_id);
CREATE INDEX index_reporting_events_on_conversation_id ON reporting_events (conversation_id);
CREATE INDEX index_reporting_events_on_created_at ON reporting_events (created_at);
CREATE INDEX index_reporting_events_on_inbox_id ON reporting_events (inbox_id);
CREATE INDEX index_reporting_events_on_name ON reporting_events (name);
CREATE INDEX index_reporting_events_on_user_id ON reporting_events (user_id);
CREATE INDEX index_sla_policies_on_account_id ON sla_policies (account_id);
CREATE INDEX index_taggings_on_context ON taggings (context);
CREATE UNIQUE INDEX taggings_idx ON taggings (tag_id, taggable_id, taggable_type, context, tagger_id, tagger_type);
CREATE INDEX index_taggings_on_tag_id ON taggings (tag_id);
CREATE INDEX index_taggings_on_taggable_id_and_taggable_type_and_context ON taggings (taggable_id, taggable_type, context);
CREATE INDEX taggings_idy ON taggings (taggable_id, taggable_type, tagger_id, context);
CREATE INDEX index_taggings_on_taggable_id ON taggings (taggable_id);
CREATE INDEX index_taggings_on_taggable_type ON taggings (taggable_type);
CREATE INDEX index_taggings_on_tagger_id_and_tagger_type ON taggings (tagger_id, tagger_type);
CREATE INDEX index_taggings_on_tagger_id ON taggings (tagger_id);
CREATE INDEX tags_name_trgm_idx ON tags USING gin (lower((name)::text) gin_trgm_ops);
CREATE UNIQUE INDEX index_tags_on_name ON tags (name);
CREATE UNIQUE INDEX index_team_members_on_team_id_and_user_id ON team_members (team_id, user_id);
CREATE INDEX index_team_members_on_team_id ON team_members (team_id);
CREATE INDEX index_team_members_on_user_id ON team_members (user_id);
CREATE INDEX index_teams_on_account_id ON teams (account_id);
CREATE UNIQUE INDEX index_teams_on_name_and_account_id ON teams (name, account_id);
CREATE INDEX index_users_on_email ON users (email);
CREATE INDEX index_users_on_otp_required_for_login ON users (otp_required_for_login);
CREATE UNIQUE INDEX index_users_on_otp_secret ON users (otp_secret);
CREATE UNIQUE INDEX index_users_on_pubsub_token ON users (pubsub_token);
CREATE UNIQUE INDEX index_users_on_reset_password_token ON users (reset_password_token);
CREATE UNIQUE INDEX index_users_on_uid_and_provider ON users (uid, provider);
CREATE UNIQUE INDEX index_webhooks_on_account_id_and_url ON webhooks (account_id, url);

ALTER TABLE active_storage_attachments ADD FOREIGN KEY (blob_id) REFERENCES active_storage_blobs (id);
ALTER TABLE active_storage_variant_records ADD FOREIGN KEY (blob_id) REFERENCES active_storage_blobs (id);

CREATE FUNCTION accounts_after_insert_row_tr() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('create sequence IF NOT EXISTS conv_dpid_seq_%s', NEW.id);
    RETURN NEW;
END;
$$;
CREATE TRIGGER accounts_after_insert_row_tr AFTER INSERT ON accounts FOR EACH ROW EXECUTE FUNCTION accounts_after_insert_row_tr();

CREATE FUNCTION conversations_before_insert_row_tr() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.display_id := nextval('conv_dpid_seq_' || NEW.account_id);
    RETURN NEW;
END;
$$;
CREATE TRIGGER conversations_before_insert_row_tr BEFORE INSERT ON conversations FOR EACH ROW EXECUTE FUNCTION conversations_before_insert_row_tr();

CREATE FUNCTION camp_dpid_before_insert() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('create sequence IF NOT EXISTS camp_dpid_seq_%s', NEW.id);
    RETURN NEW;
END;
$$;
CREATE TRIGGER camp_dpid_before_insert AFTER INSERT ON accounts FOR EACH ROW EXECUTE FUNCTION camp_dpid_before_insert();

CREATE FUNCTION campaigns_before_insert_row_tr() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.display_id := nextval('camp_dpid_seq_' || NEW.account_id);
    RETURN NEW;
END;
$$;
CREATE TRIGGER campaigns_before_insert_row_tr BEFORE INSERT ON campaigns FOR EACH ROW EXECUTE FUNCTION campaigns_before_insert_row_tr();
