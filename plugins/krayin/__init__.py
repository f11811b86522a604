"""Speaks Krayin, knows nothing of Chatwoot."""
