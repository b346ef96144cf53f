"""What a language model is sent: a character's prompt, and messages in an order it accepts."""
