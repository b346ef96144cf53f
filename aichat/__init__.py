"""aichat: low-latency voice chat with several AI characters at once."""
