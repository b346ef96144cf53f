"""What a recogniser returns, checked, and without what it invents in silence."""
