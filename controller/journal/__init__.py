"""The activity and connectivity logs, and stored output.

Written by `jobs`, `reconcile` and the faces; read by `ctl logs` and `ctl jobs logs`. It calls the disk.
"""
