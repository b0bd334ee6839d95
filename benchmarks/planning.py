"""A plan of 10,000 servers x 20 targets, with nothing changed and with one input of one target changed on every server: what
it takes beyond loading, and how much memory.

Every pair is resolved (rendered and hashed) and judged against a record that says it is applied. Runs in a process of its
own, so that the peak is that of loading and planning alone.
"""

import json
import subprocess
import sys
from datetime import UTC, datetime

from benchmarks.fleet import Cache, Files, fleet, work
from benchmarks.measure import Row, cpu_of, peak_here
from controller.cli.doorway import tune_collector
from controller.cli.views.plan import PlanScene, plan_text
from controller.cli.views.style import Style
from controller.declaration.loader import Loaded, load
from controller.declaration.pairs import Resolved, resolve
from controller.declaration.renderer import Renderer
from controller.model.applied import Applied
from controller.model.ids import Digest
from controller.model.plan import Plan
from controller.planning.inputs import Inputs, Observed, Policy
from controller.planning.planner import plan

ROUNDS = 3
SERVERS, TARGETS = 10_000, 20
NOW = datetime(2026, 1, 1, tzinfo=UTC)
CHANGED = "target-07"
OTHER = Digest("0" * 64)
BESIDES = "≤ 1 s more than loading"


def once(changed: str = "") -> dict[str, float]:
    """Load from a warm cache, resolve and plan; give processor seconds of each and the peak in MiB.

    Of the target `changed` every server has another input digest in force.
    """
    tune_collector()
    tree = Files(fleet(SERVERS, 1) | work(TARGETS))
    cache = Cache()
    load(tree, forms=cache)
    loaded: list[Loaded] = []
    resolved: list[Resolved] = []
    plans: list[Plan] = []
    loading = cpu_of(lambda: loaded.append(load(tree, forms=cache)))
    declaration = loaded[0].declaration
    assert declaration is not None
    with Renderer() as renderer:
        resolving = cpu_of(lambda: resolved.append(resolve(declaration, {}, renderer)))
    pairs = resolved[0].pairs
    assert len(pairs) == SERVERS * TARGETS
    records = {
        (pair.target, pair.server): Applied(
            target=pair.target,
            server=pair.server,
            applied=OTHER if pair.target == changed else pair.work.digest,
        )
        for pair in pairs
    }
    observed = Observed(records=records, refreshed=False)
    planning = cpu_of(
        lambda: plans.append(plan(declaration, Inputs(pairs=pairs), observed, Policy(), NOW))
    )
    assert len(plans[0].changes) == (SERVERS if changed else 0)
    scene = PlanScene(now=NOW, style=Style())
    telling = cpu_of(lambda: plan_text(plans[0], scene))
    return {
        "telling": telling,
        "loading": loading,
        "resolving": resolving,
        "planning": planning,
        "peak": peak_here(),
    }


def main(*, rounds: int = ROUNDS) -> list[Row]:
    what = f"{SERVERS:,} servers x {TARGETS} targets, "
    return [
        *told(f"{what}nothing changed", "", rounds),
        *told(f"{what}one input of one target changed", CHANGED, rounds),
    ]


def told(what: str, changed: str, rounds: int) -> list[Row]:
    """Measure in processes of their own, and give the medians."""
    taken: list[dict[str, float]] = []
    for _ in range(rounds):
        said = subprocess.run(
            [sys.executable, "-m", "benchmarks.planning", changed], check=True, capture_output=True
        )
        taken.append(json.loads(said.stdout))
    middle = {name: sorted(one[name] for one in taken)[len(taken) // 2] for name in taken[0]}
    besides = middle["resolving"] + middle["planning"]
    return [
        (f"{what}: loading from the cache", f"{middle['loading']:.2f} s CPU", ""),
        (f"{what}: rendering and hashing", f"{middle['resolving']:.2f} s CPU", ""),
        (f"{what}: judging", f"{middle['planning']:.2f} s CPU", ""),
        (f"{what}: telling it", f"{middle['telling']:.2f} s CPU", ""),
        (f"{what}: beyond loading", f"{besides:.2f} s CPU", "" if changed else BESIDES),
        (f"{what}: peak memory, records included", f"{middle['peak']:.0f} MiB", "≤ 400"),
    ]


if __name__ == "__main__":
    print(json.dumps(once(*sys.argv[1:])))
