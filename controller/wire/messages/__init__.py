"""The messages of the protocol: one record each, and the table that says who sends them and what answers them.

Shells name these records; `codec` and `session` read the table. Every record converts to and from the promises of the
carrier port by its fields alone.
"""
