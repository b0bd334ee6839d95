"""Tree of bytes to declaration or diagnostics; touches no disk, no network, no clock.

`reconcile` calls `loader` and `pairs`, the faces call `schema`. It reads the packaged schemas and nothing else; its one
process is the renderer, which renders templates under limits.
"""
