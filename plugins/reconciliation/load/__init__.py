"""Carries operations out in Krayin."""
