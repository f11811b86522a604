"""Reads what changed in Chatwoot and keeps what differs from what was last planned."""
