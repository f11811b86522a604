"""Speaks Chatwoot, knows nothing of Krayin."""
