"""A Chatwoot database with sample data and a stand-in for Krayin, for trying and for the tests."""
