"""Chatwoot read from its own PostgreSQL database."""
