"""Plug-ins, their configuration, and the backends selected for each part."""
