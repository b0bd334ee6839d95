"""What concerns the agents of servers: getting one there, its certificate, and what it offers."""
