"""A controller that serves elsewhere, behind the same port as one that is opened here; loaded only with `--controller`."""
