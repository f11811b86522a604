"""Krayin as it shows itself: connection, lists, records."""
