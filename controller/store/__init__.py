"""The shelf: what the controller knows, durable.

`jobs`, `reconcile` and the faces read and write it through `ports`; `service` builds the adapter. SQLite by default,
through SQLAlchemy Core; `memory` is the reference twin.
"""
