"""The jobs of the state, for people: found, followed, fetched from, held, tried again, put away."""
