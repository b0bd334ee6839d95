"""The carriers of agents: those that this controller dials, and those that dial it."""
