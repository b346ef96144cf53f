"""What a backend may use: weights, threads, text and voice helpers."""
