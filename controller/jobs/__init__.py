"""Doing the plan: states as a table, the DAG of steps, recovery as a fold (all pure), and the engine that drives them.

`reconcile` calls `engine`; it calls `transport`, `store`, `journal` and `secrets`.
"""
