"""The web layer: one more subscriber of the bus. It imports aichat.core, never a plug-in."""
