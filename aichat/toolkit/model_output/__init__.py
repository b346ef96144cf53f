"""What a language model writes, filtered: no reasoning, no template tokens, no calls as text."""
