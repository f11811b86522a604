"""One run of a sync, from its request to its summary."""
