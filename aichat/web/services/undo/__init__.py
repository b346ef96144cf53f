"""What was deleted, until nobody can take it back."""
