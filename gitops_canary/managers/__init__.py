"""Managers observe, let the domain decide and apply: one ensure() each, driven by lanes or by settle()."""
