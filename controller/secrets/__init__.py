"""Where values of secrets come from, how they are compared without being kept, and how they are masked.

`reconcile` resolves and compares through it, `jobs` gets values for dispatch; `service` hands its masker to every sink.
"""
