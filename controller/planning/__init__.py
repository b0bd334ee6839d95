"""Deciding what would happen: pure.

`reconcile` calls `planner.plan` and `gates`; the faces call `document`. It calls only `model`.
"""
