"""Loading 1,000 and 10,000 servers, as ratios of PyYAML's CSafeLoader on the same bytes in the same run.

Two layouts, one server a file and 1,000 a file; cold, warm from the cache of forms, and after one file changed.
Medians of `ROUNDS`. Run by `python -m benchmarks`, or alone.
"""

import gc
import hashlib
import resource
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

import yaml

from controller.declaration.loader import load
from controller.model.tree import Entry

ROUNDS = 3
MOST_COLD, MOST_WARM, MOST_CHANGED = 1.6, 0.15, 0.2
SERVER = """\
  web-{number:05d}.example.com:
    address: 10.{high}.{middle}.{low}
    groups: [web, rack-{rack}]
    labels: {{env: prod, zone: zone-{zone}, tier: gold}}
    ssh: {{user: deploy, port: 22, sudo: true}}
    check: {{interval: 12h, retries: 3, retry_delay: 5m}}
    concurrency: 2
    vars:
      workers: {zone}
      weight: 0.5
      enabled: true
      description: "machine number {number} of the fleet, behind the balancer"
      region: eu-central-{zone}
      ports: [80, 443, 8080]
      limits:
        memory: 512M
        files: 1024
      mirrors:
        - https://mirror-1.example.com/packages
        - https://mirror-2.example.com/packages
"""


class Files:
    """A tree in memory."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = files
        self.entries = {
            path: Entry(
                path=path,
                blob=hashlib.sha1(raw, usedforsecurity=False).hexdigest(),
                mode=0o100644,
                size=len(raw),
            )
            for path, raw in files.items()
        }

    def read(self, paths: Iterable[str]) -> Mapping[str, bytes]:
        return {path: self._files[path] for path in paths}


class Cache:
    """A cache of forms in memory."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}

    def get_many(self, keys: Sequence[str]) -> Mapping[str, bytes]:
        return {key: self._kept[key] for key in keys if key in self._kept}

    def put_many(self, forms: Mapping[str, bytes]) -> None:
        self._kept.update(forms)


def fleet(servers: int, per_file: int) -> dict[str, bytes]:
    texts = [
        SERVER.format(
            number=number,
            high=number >> 16,
            middle=number >> 8 & 255,
            low=number & 255,
            rack=number % 40,
            zone=number % 3,
        )
        for number in range(servers)
    ]
    return {
        f"inventory/fleet/{start:06d}.yaml": (
            "servers:\n" + "".join(texts[start : start + per_file])
        ).encode()
        for start in range(0, servers, per_file)
    }


def seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def floor(files: Mapping[str, bytes]) -> None:
    """Parse alone, with the collector paused as the loader pauses it: the floor is not made easy to beat."""
    gc.disable()
    for raw in files.values():
        yaml.load(raw, yaml.CSafeLoader)
    gc.enable()


def measure(servers: int, per_file: int) -> dict[str, float]:
    files = fleet(servers, per_file)
    first = next(iter(files))
    changed = Files({**files, first: files[first].replace(b"weight: 0.5", b"weight: 0.75")})
    tree = Files(files)
    rounds: list[tuple[float, float, float, float]] = []
    for _ in range(ROUNDS):
        cache = Cache()
        base = seconds(partial(floor, files))
        cold = seconds(partial(load, tree, forms=cache))
        warm = seconds(partial(load, tree, forms=cache))
        one = seconds(partial(load, changed, forms=cache))
        rounds.append((base, cold, warm, one))
    loaded = load(tree).declaration
    assert loaded is not None
    assert len(loaded.inventory.servers) == servers
    base, cold, warm, one = (statistics.median(column) for column in zip(*rounds, strict=True))
    return {"floor": base, "cold": cold / base, "warm": warm / base, "changed": one / base}


def main() -> None:
    print("declarations: load + validate + resolve, as ratios of CSafeLoader on the same bytes")
    for servers in (1_000, 10_000):
        for per_file in (1, 1_000):
            found = measure(servers, per_file)
            print(
                f"  {servers:>6} servers, {per_file:>4} a file: floor {found['floor']:.3f} s"
                f"  cold {found['cold']:.2f} (<= {MOST_COLD})"
                f"  warm {found['warm']:.2f} (<= {MOST_WARM})"
                f"  one file changed {found['changed']:.2f} (<= {MOST_CHANGED})"
            )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"  peak memory, the floor's included: {peak:.0f} MiB")


if __name__ == "__main__":
    main()
