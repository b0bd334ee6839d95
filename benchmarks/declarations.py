"""Loading 1,000 and 10,000 servers, as ratios of PyYAML's CSafeLoader on the same bytes in the same run.

Two layouts, one server a file and 1,000 a file; cold, warm from the cache of forms, and after one file changed. Then whole
programs: `ctl inventory --list` beside `ansible-inventory --list` on an equal fleet. Run by `python -m benchmarks`.
"""

import gc
import statistics
import sys
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import yaml

from benchmarks.fleet import Cache, Files, fleet, write_ansible, write_repository
from benchmarks.measure import Row, Spent, cpu_of, median, peak_here, run
from benchmarks.peers import ansible
from controller.declaration.loader import load

ROUNDS = 3
SIZES = (1_000, 10_000)
LAYOUTS = (1, 1_000)
HEIGHTS = {"cold": "≤ 1.6", "warm": "≤ 0.15", "one file changed": "≤ 0.2"}


def floor(files: Mapping[str, bytes]) -> None:
    """Parse alone, with the collector paused as the loader pauses it: the floor is not made easy to beat."""
    gc.disable()
    for raw in files.values():
        yaml.load(raw, yaml.CSafeLoader)
    gc.enable()


def measure(servers: int, per_file: int, *, rounds: int) -> tuple[float, dict[str, float]]:
    """Give the seconds of the floor, and ours as ratios of it."""
    files = fleet(servers, per_file)
    first = next(iter(files))
    changed = Files({**files, first: files[first].replace(b"weight: 0.5", b"weight: 0.75")})
    tree = Files(files)
    taken: list[tuple[float, ...]] = []
    for _ in range(rounds):
        cache = Cache()
        base = cpu_of(partial(floor, files))
        ours = [cpu_of(partial(load, one, forms=cache)) for one in (tree, tree, changed)]
        taken.append((base, *(one / base for one in ours)))
    loaded = load(tree).declaration
    assert loaded is not None
    assert len(loaded.inventory.servers) == servers
    base, *ratios = (statistics.median(column) for column in zip(*taken, strict=True))
    return base, dict(zip(HEIGHTS, ratios, strict=True))


def main(*, rounds: int = ROUNDS) -> list[Row]:
    # Programs first: a process counts its parent's size as its own until it has become another program.
    rows = programs(1_000, rounds=rounds) + programs(10_000, rounds=1)
    for servers in SIZES:
        for per_file in LAYOUTS:
            base, found = measure(servers, per_file, rounds=rounds)
            name = f"{servers:,} servers, {per_file:,} a file"
            rows.append((f"{name}: CSafeLoader alone", f"{base:.2f} s CPU", "the floor"))
            rows += [
                (f"{name}: {what}", f"{ratio:.2f} x floor", HEIGHTS[what])
                for what, ratio in found.items()
            ]
    rows.append(
        ("peak memory of all that, the floor's included", f"{peak_here():.0f} MiB", "≤ 400")
    )
    return rows


def programs(servers: int, *, rounds: int) -> list[Row]:
    """Compare whole programs that print every server with its variables."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        repository = folder / "ours"
        write_repository(repository, fleet(servers, 1))
        inventory = folder / "hosts.yaml"
        write_ansible(inventory, servers)
        ctl = [sys.executable, "-m", "controller", "-C", str(repository), "inventory", "--list"]
        peer = ansible("ansible-inventory")
        bare = run(ctl)
        # Where there is a state, its cache of parsed files is used; the first run fills it.
        (repository / ".ctl").mkdir(mode=0o700)
        run(ctl)
        ours: list[Spent] = []
        theirs: list[Spent] = []
        for _ in range(rounds):
            ours.append(run(ctl))
            if peer is not None:
                theirs.append(run([peer, "-i", inventory, "--list"]))
    one = median(ours)
    name = f"{servers:,} servers"
    rows = [
        (
            f"ctl inventory --list, {name}, without a state",
            f"{bare.cpu:.2f} s CPU, {bare.peak:.0f} MiB",
            "whole program",
        ),
        (
            f"ctl inventory --list, {name}, from the cache of the state",
            f"{one.cpu:.2f} s CPU, {one.peak:.0f} MiB",
            "whole program",
        ),
    ]
    if not theirs:
        return [*rows, (f"ansible-inventory --list, {name}", "skipped: not installable here", "")]
    other = median(theirs)
    return [
        *rows,
        (
            f"ansible-inventory --list, {name}",
            f"{other.cpu:.2f} s CPU, {other.peak:.0f} MiB: {other.cpu / one.cpu:.1f} x ours, {other.cpu / bare.cpu:.1f} x cold",
            "≥ 25 x ours",
        ),
    ]
