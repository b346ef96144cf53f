"""Character cards, read and written."""
