"""A stand-in for Chatwoot 4.15's REST API that answers from the sandbox's Chatwoot database."""
