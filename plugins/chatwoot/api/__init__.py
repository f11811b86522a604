"""Chatwoot read and set up through its REST API."""
