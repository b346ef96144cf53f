"""Reads and writes character cards."""
