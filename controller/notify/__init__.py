"""Senders: each takes one message to one receiver, and says whether it arrived; when and to whom is decided elsewhere."""
