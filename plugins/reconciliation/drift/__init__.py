"""Compares both sides in full, and repairs."""
