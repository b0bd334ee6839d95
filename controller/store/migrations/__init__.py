"""The tables as they came to be, one file a step, forward only.

Run by `controller.store.schema` when a state is older than the program. A migration never imports `tables`: it tells
what was done then.
"""
