"""Takes Chatwoot's webhooks and acts upon them."""
