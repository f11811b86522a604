"""Chatwoot's webhooks: taken, checked, kept, registered."""
