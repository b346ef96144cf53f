"""Undo: conversations, characters and messages whose deletion is pending and can be undone."""
