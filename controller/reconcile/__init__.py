"""Bringing observed nearer to declared, for one question of a person or for ever.

`walk` is the one list of steps from git to a plan, `carrying` does what a plan says, `desk` holds the jobs for people, `drift` and
`agents` what concerns those, `access` who may ask, `exchange` the records in which faces ask and are told, and `loop` is what
nobody has to ask for. `controller` is what the faces talk to; it calls every room of the walk in turn.
"""
