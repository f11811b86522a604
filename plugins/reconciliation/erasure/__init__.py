"""Erases one contact on request."""
