"""Running one attempt on this Linux machine: process, cgroup, output, workspace, and a durable record of it all.

Part of the agent zone: standard library only, Python 3.9 or newer, nothing of the rest of the project. `executor` is the
door; the agent calls it. Three kinds of process work together:

    daemon ── `executor`: ledger, workspaces, what people ask
      └ nursery ── `nursery`: one small process that forks a supervisor on request, in 1 ms and with shared memory
          └ supervisor ── `supervisor`: one for each attempt that runs; drains output, watches the time, records the end
              └ command ── `child`: does not begin before the ledger holds `started`

A supervisor outlives the daemon and the nursery. While the daemon lives, one that has nothing left of its attempt takes
the next: `pool` keeps a few ready. The two speak as `handover` says. Everything that only Linux has stands in `linux`.
"""
