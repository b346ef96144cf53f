"""What can be set: of a browser, of new conversations, of backends that serve."""
