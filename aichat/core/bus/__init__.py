"""The event bus: lanes, subscriptions, turns, speculation."""
