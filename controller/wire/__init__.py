"""The agent protocol without I/O: bytes and ticks in, bytes and events out; the same classes on both ends.

`agent` and `transport.agent` call this room: the shells that own sockets and clocks. It calls nothing but the standard
library and runs on Python 3.9, because it is part of the one file that runs on servers. The protocol is told in
`docs/wire.md`.
"""
