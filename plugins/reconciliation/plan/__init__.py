"""Decides what is to be done and writes it down as operations."""
