"""A Chatwoot 4.15.1 database with sample data, to try the integration without a Chatwoot."""
