"""The daemon on a server, and what stands beside it: scripts it offers, how the machine does, settings, unit, reports.

Part of the agent zone: standard library only, Python 3.9 or newer, nothing of the rest of the project but `wire` and
`execution`. `packing` puts the three into one file, `ctl-agent.pyz`, of which `main` is the door; `cli` takes the unit
and the one file from here.
"""
