"""Tells of what is wrong, once per change."""
