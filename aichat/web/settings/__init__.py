"""Settings of the browser, of new conversations, and of backends."""
