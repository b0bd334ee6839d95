"""Bringing observed nearer to declared: the one list of steps, and status.

The faces call it; it calls every room of the walk in turn.
"""
