"""The keyed queue: what waits is a name, never an event, so ten adds make one run.

`reconcile` adds and takes keys through `port`; `service` builds the adapter. `memory` serves one process; `postgres` is one table that
any number of workers on any number of machines share.
"""
