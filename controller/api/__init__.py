"""The HTTP API of a serving controller: routes, who may use them, and what they answer."""
