"""The loop of `ctl serve`: keys that wait in a queue, one reconciler for each kind, one switch for what goes wrong."""
