"""Drift, for people: shown with clues, made a patch of the config repository, or ignored until a time."""
