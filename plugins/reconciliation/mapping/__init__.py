"""From Chatwoot's records to what Krayin should hold, without any I/O."""
