"""What voices need and send: cloning, the nearest voice, long texts in chunks, checks of audio."""
