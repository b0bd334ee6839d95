"""Drift of real declarations: rendered, applied, changed by hand, healed."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from hypothesis import HealthCheck, given, settings, strategies as st

from controller.declaration.renderer import Renderer
from controller.model.declaration import OnDrift, Repo
from controller.model.files import (
    Checkout,
    CheckoutSeen,
    DeliverySeen,
    FileKind,
    FileSeen,
    FileSpec,
    FileWork,
)
from controller.model.ids import Sha
from controller.model.plan import Action
from controller.model.work import Pair
from controller.planning.inputs import Observed
from tests.planning.world import World, declaration, only, place, revision, sourced, target, task

REPOS = (Repo(name="shop", url="https://git.example.com/shop.git"),)
CONF = FileSpec(
    path="/etc/shop.conf",
    content="channel = {{ params.channel }}\n",
    places={"": place(50), "path": place(50), "content": place(51)},
)


def seen_of(file: FileWork, data: bytes, mode: str) -> FileSeen:
    return FileSeen(
        path=file.path,
        kind=FileKind.FILE,
        digest=hashlib.sha256(data).hexdigest(),
        mode=mode,
        owner="deploy",
        group="deploy",
        size=len(data),
        content=data,
    )


@dataclass(slots=True, kw_only=True)
class Disks:
    """What lies on the servers: runs write it, people change it."""

    world: World
    files: dict[tuple[str, str], tuple[bytes, str]] = field(default_factory=dict)
    commits: dict[str, Sha] = field(default_factory=dict)

    def write(self, renderer: Renderer, servers: set[str] | None = None) -> None:
        """Do what the runs of a plan do on the servers."""
        for pair in self.world.pairs(renderer):
            if servers is None or pair.server in servers:
                for file in pair.work.files:
                    self.files[pair.server, file.path] = (file.content, file.mode)
                source = self.world.sources.get(pair.target)
                if source is not None:
                    self.commits[pair.server] = source.revision.sha

    def look(self, renderer: Renderer) -> Observed:
        observed = self.world.observed()
        servers = dict(observed.servers)
        for pair in self.world.pairs(renderer):
            one = servers[pair.server]
            found = {pair.target: self._delivery(pair)}
            servers[pair.server] = replace(one, login="deploy", deliveries=found)
        return replace(observed, servers=servers)

    def _delivery(self, pair: Pair) -> DeliverySeen:
        files = {}
        for file in pair.work.files:
            lies = self.files.get((pair.server, file.path))
            missing = FileSeen(path=file.path, kind=FileKind.MISSING)
            files[file.path] = missing if lies is None else seen_of(file, *lies)
        checkout = pair.work.checkout
        return DeliverySeen(
            digest=pair.work.digest,
            at=self.world.now,
            files=files,
            checkout=None
            if checkout is None
            else CheckoutSeen(path=checkout.path, commit=self.commits.get(pair.server)),
        )


def shop(renderer: Renderer, *files: FileSpec, watched: bool = False) -> Disks:
    """Apply a shop on two servers, so that everything lies as it should."""
    paths = ("app/**",) if watched else ()
    made = declaration(
        target("web", "web-1", "web-2", repo="shop", on_drift=OnDrift.HEAL, paths=paths),
        tasks=(task(files=files or (CONF,), checkout=Checkout(path="/srv/shop")),),
        repos=REPOS,
    )
    source = sourced(1, watched=(("app/a", "1"),) if watched else None)
    disks = Disks(world=World(declaration=made, sources={"web": source}))
    plan = disks.world.plan(renderer, observed=disks.look(renderer))
    assert [change.action for change in plan.changes] == [Action.ADD, Action.ADD]
    disks.world.apply(renderer, plan)
    disks.write(renderer)
    assert disks.world.plan(renderer, observed=disks.look(renderer)).changes == ()
    return disks


def test_a_first_plan_shows_the_files_it_writes(renderer: Renderer) -> None:
    disks = shop(renderer)
    disks.world.records.clear()
    disks.files.clear()
    disks.commits.clear()
    change = disks.world.plan(renderer, observed=disks.look(renderer)).changes[0]
    assert [(one.path, one.what) for one in change.files] == [
        ("/etc/shop.conf", "new file, 17 bytes"),
        ("/srv/shop", "no checkout is there -> commit 0000001"),
    ]
    assert change.files[0].diff.endswith("\n+channel = stable")


def test_a_file_changed_by_hand_is_healed_and_then_at_rest(renderer: Renderer) -> None:
    disks = shop(renderer)
    disks.files["web-2", "/etc/shop.conf"] = (b"channel = mine\n", "0644")
    plan = disks.world.plan(renderer, observed=disks.look(renderer))
    change = only(plan)
    assert (change.server, change.action) == ("web-2", Action.REPAIR)
    assert change.drift == "/etc/shop.conf: content differs"
    assert change.files[0].diff.endswith("-channel = mine\n+channel = stable")
    assert plan.summary.drifted == 1
    disks.world.apply(renderer, plan)
    disks.write(renderer, {"web-2"})
    assert disks.world.plan(renderer, observed=disks.look(renderer)).changes == ()


def test_a_changed_parameter_shows_how_the_file_will_change(renderer: Renderer) -> None:
    disks = shop(renderer)
    made = disks.world.declaration
    beta = replace(made.targets["web"], params={"channel": "beta"})
    disks.world.declaration = replace(made, targets={"web": beta})
    change = disks.world.plan(renderer, observed=disks.look(renderer)).changes[0]
    assert change.inputs == (
        "files./etc/shop.conf.content",
        "params.channel",
        "steps.go.run",
    )
    assert change.reason == (
        "content of /etc/shop.conf changed, parameter channel changed, run of step go changed"
    )
    assert change.files[0].diff.endswith("-channel = stable\n+channel = beta")
    assert not any("by hand" in note for note in change.notes)


def test_a_change_by_hand_that_a_run_overwrites_is_told_once_rendered(renderer: Renderer) -> None:
    disks = shop(renderer)
    disks.files["web-1", "/etc/shop.conf"] = (b"mine\n", "0644")
    disks.world.sources = {"web": sourced(2)}
    first, second = disks.world.plan(renderer, observed=disks.look(renderer)).changes
    assert "overwrites a change of /etc/shop.conf made by hand" in first.notes
    assert second.notes == ()
    assert [one.path for one in second.files] == ["/srv/shop"]


def test_a_commit_that_needs_no_run_is_no_drift_of_files_that_tell_it(renderer: Renderer) -> None:
    told = FileSpec(
        path="/etc/revision",
        content="{{ commit.short_sha }}\n",
        places={"": place(60), "path": place(60), "content": place(61)},
    )
    disks = shop(renderer, told, watched=True)
    disks.world.sources = {"web": sourced(2, watched=(("app/a", "1"),))}
    plan = disks.world.plan(renderer, observed=disks.look(renderer))
    assert {change.action for change in plan.changes} == {Action.NONE}
    assert plan.summary.drifted == 0
    (note,) = plan.changes[0].notes
    assert note.startswith("content of /etc/revision not compared (it depends on the commit, and ")
    assert f"{revision(2).sha[:7]} needed no run" in note


Edit = Callable[[tuple[bytes, str]], tuple[bytes, str] | None]
EDITS: dict[str, Edit] = {
    "changed": lambda lies: (lies[0] + b"more\n", lies[1]),
    "mode": lambda lies: (lies[0], "0600"),
    "removed": lambda _: None,
}


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.dictionaries(st.sampled_from(["web-1", "web-2"]), st.sampled_from(sorted(EDITS))))
def test_healing_whatever_people_did_ends_in_a_plan_without_changes(
    renderer: Renderer, edits: dict[str, str]
) -> None:
    """Law: drift is told for exactly the servers that were changed, and one apply ends it."""
    disks = shop(renderer)
    for name, edit in edits.items():
        lies = EDITS[edit](disks.files.pop((name, "/etc/shop.conf")))
        if lies is not None:
            disks.files[name, "/etc/shop.conf"] = lies
    plan = disks.world.plan(renderer, observed=disks.look(renderer))
    assert {change.server for change in plan.changes} == set(edits)
    assert all(change.action is Action.REPAIR for change in plan.changes)
    disks.world.apply(renderer, plan)
    disks.write(renderer, set(edits))
    assert disks.world.plan(renderer, observed=disks.look(renderer)).changes == ()
