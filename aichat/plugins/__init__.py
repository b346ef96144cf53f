"""The built-in plug-ins. Each imports :mod:`aichat.core` only, and never a sibling."""
