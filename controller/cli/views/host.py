"""How a machine does, on one line: what its agent told at its last heartbeat.

Used by the views of servers and of their checks.
"""

from controller.cli.dates import span
from controller.cli.views.words import size
from controller.model.observation import HostSeen


def host_text(host: HostSeen) -> str:
    """Say how much is in use, and what the worker pool does."""
    told = [
        f"cpu {host.cpu:.0%} of {host.processors}",
        f"memory {size(host.memory_used)} of {size(host.memory_total)}",
        f"disk {size(host.disk_used)} of {size(host.disk_total)}",
    ]
    if host.load:
        told.append(f"load {host.load[0]:.2f}")
    told.append(f"up {span(host.uptime)}")
    if host.workers:
        told.append(f"workers {host.running} of {host.workers}")
    if host.waiting:
        told.append(f"{host.waiting} waiting")
    return ", ".join(told)
