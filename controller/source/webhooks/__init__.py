"""Webhooks, piece by piece: their headers, who signed them, and the little that is read of them.

`source.webhook` calls it; it calls nobody.
"""
