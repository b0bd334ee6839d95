"""A small world to plan in: declarations by hand, resolved for real, and an apply that only writes records."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from controller.declaration.inputs import Sourced, source_digest
from controller.declaration.pairs import resolve
from controller.declaration.renderer import Renderer
from controller.jobs.marker import manifest
from controller.model.applied import Applied, Tried
from controller.model.declaration import Declaration, Repo, Target
from controller.model.diagnostic import Place
from controller.model.ids import Digest, RunId, Sha
from controller.model.inventory import Inventory, Server
from controller.model.job import State
from controller.model.observation import MarkerSeen, ServerSeen
from controller.model.plan import Action, Change, Plan
from controller.model.revision import Revision
from controller.model.task import Param, Step, Task
from controller.model.tree import Entry
from controller.model.work import Pair
from controller.planning import planner
from controller.planning.applying import apply_set
from controller.planning.inputs import Inputs, Observed, PairKey, Policy

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def place(line: int, file: str = "pipelines/shop.yaml") -> Place:
    return Place(file=file, line=line)


def revision(number: int) -> Revision:
    return Revision(
        sha=Sha(f"{number:07x}".ljust(40, "0")),
        branch="main",
        author=f"author {number}",
        email="author@example.com",
        subject=f"change {number}",
        message=f"change {number}",
        committed_at=NOW - timedelta(days=1) + timedelta(minutes=number),
    )


def step(
    name: str = "go", run: str = "echo {{ params.channel }}", line: int = 20, **more: Any
) -> Step:
    made = Step(name=name, run=run, places={"": place(line), "run": place(line + 1)})
    return replace(made, **more)


def task(name: str = "deploy", *steps: Step, **more: Any) -> Task:
    made = Task(
        name=name,
        params={"channel": Param(name="channel", schema={"type": "string"})},
        steps=steps or (step(),),
        places={"": place(18), "check": place(19)},
    )
    return replace(made, **more)


def target(name: str, *members: str, line: int = 2, **more: Any) -> Target:
    keys = ("servers", "task", "repo", "on_drift", "params.channel")
    made = Target(
        name=name,
        task="deploy",
        servers=":".join(members),
        members=members,
        params={"channel": "stable"},
        places={"": place(line)} | {key: place(line + n) for n, key in enumerate(keys, 1)},
    )
    return replace(made, **more)


def server(name: str, **more: Any) -> Server:
    made = Server(name=name, address=name, place=place(1, "inventory/servers.yaml"))
    return replace(made, **more)


def declaration(
    *targets: Target,
    servers: tuple[Server, ...] | None = None,
    tasks: tuple[Task, ...] = (),
    repos: tuple[Repo, ...] = (),
) -> Declaration:
    names = dict.fromkeys(name for one in targets for name in one.members)
    machines = servers if servers is not None else tuple(server(name) for name in names)
    return Declaration(
        inventory=Inventory(servers={one.name: one for one in machines}),
        tasks={one.name: one for one in (tasks or (task(),))},
        targets={one.name: one for one in targets},
        repos={one.name: one for one in repos},
    )


def sourced(number: int, *, watched: tuple[tuple[str, str], ...] | None = None) -> Sourced:
    made = revision(number)
    files = None
    if watched is not None:
        files = [Entry(path=path, blob=blob, mode=0o100644, size=1) for path, blob in watched]
    return Sourced(revision=made, digest=source_digest(commit=made.sha, watched=files), repo="shop")


@dataclass(slots=True, kw_only=True)
class World:
    """A declaration, what its repos hold, and what is in force; `apply` makes true what a plan would run."""

    declaration: Declaration
    sources: Mapping[str, Sourced] = field(default_factory=dict)
    records: dict[PairKey, Applied] = field(default_factory=dict)
    seen: dict[str, ServerSeen] = field(default_factory=dict)
    inputs: Inputs = field(default_factory=Inputs)
    now: datetime = NOW

    def pairs(self, renderer: Renderer) -> tuple[Pair, ...]:
        found = resolve(self.declaration, self.sources, renderer)
        assert found.diagnostics == ()
        return found.pairs

    def observed(self, *, refreshed: bool = True) -> Observed:
        reached = {
            name: ServerSeen(server=name, at=self.now, reached=True)
            for name in self.declaration.inventory.servers
        }
        for (target_name, server_name), record in self.records.items():
            if server_name in reached:
                one = reached[server_name]
                marker = MarkerSeen(record=record, sha256=Digest("0" * 64))
                reached[server_name] = replace(one, markers={**one.markers, target_name: marker})
        return Observed(records=self.records, servers=reached | self.seen, refreshed=refreshed)

    def plan(
        self, renderer: Renderer, policy: Policy | None = None, observed: Observed | None = None
    ) -> Plan:
        inputs = replace(
            self.inputs,
            pairs=self.pairs(renderer),
            sources={name: one.revision for name, one in self.sources.items()},
        )
        view = observed or self.observed()
        return planner.plan(self.declaration, inputs, view, policy or Policy(), self.now)

    def apply(self, renderer: Renderer, plan: Plan, state: State = State.SUCCEEDED) -> None:
        works = {(pair.target, pair.server): pair.work for pair in self.pairs(renderer)}
        self.now += timedelta(minutes=1)
        for change in apply_set(plan):
            key = (change.target, change.server)
            if change.action is Action.FORGET:
                del self.records[key]
                continue
            before = self.records.get(key, Applied(target=key[0], server=key[1]))
            self.records[key] = (
                self._succeeded(change, works[key].digest, manifest(works[key].inputs))
                if state is State.SUCCEEDED
                else replace(before, tried=self._tried(works[key].digest, state))
            )

    def _succeeded(self, change: Change, digest: Digest, kept: dict[str, str]) -> Applied:
        return Applied(
            target=change.target,
            server=change.server,
            applied=digest,
            manifest=kept,
            commit=change.commit,
            at=self.now,
            task=change.task,
        )

    def _tried(self, digest: Digest, state: State) -> Tried:
        return Tried(digest=digest, run=RunId("run1"), at=self.now, state=state)


def only(plan: Plan) -> Change:
    assert len(plan.changes) == 1, plan.changes
    return plan.changes[0]
