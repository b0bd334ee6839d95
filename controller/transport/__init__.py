"""Ways to reach a server: one port, and its carriers ssh and local.

`jobs` and `reconcile` call this room through `port`; `service` builds the carriers. It calls the servers, and
nothing of ours but `model`, `errors` and `settings`. It returns records and writes nothing elsewhere.
"""
