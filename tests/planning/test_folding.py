"""Equal changes are told once, and names are written short without losing one."""

import re
from dataclasses import replace

import pytest
from hypothesis import given, strategies as st

from controller.declaration.renderer import Renderer
from controller.model.ids import Digest
from controller.model.plan import Blocker, FileChange, Gate
from controller.planning.folding import fold, short_names
from tests.planning.world import World, declaration, server, step, target, task


@pytest.mark.parametrize(
    ("names", "short"),
    [
        ([f"web-{n:02}" for n in range(1, 15)], "web-[01:14]"),
        (["web-9", "web-10", "web-11", "web-08"], "web-08, web-[9:11]"),
        (["a", "b"], "a, b"),
        (["web-1", "web-2"], "web-1, web-2"),
        (["web-1", "web-2", "web-3", "web-5"], "web-[1:3], web-5"),
        ([f"web-{n:02}.example.com" for n in (1, 2, 3)], "web-[01:03].example.com"),
        ([f"10.0.0.{n}" for n in (1, 2, 3)], "10.0.0.[1:3]"),
        (["db-1a", "db-2a", "db-3a", "db-3b"], "db-[1:3]a, db-3b"),
        ([], ""),
    ],
)
def test_names_are_written_short(names: list[str], short: str) -> None:
    assert short_names(names) == short


def written_out(short: str) -> set[str]:
    names = set()
    for part in filter(None, short.split(", ")):
        found = re.fullmatch(r"(.*)\[(\d+):(\d+)\](.*)", part)
        if found is None:
            names.add(part)
            continue
        head, first, last, tail = found.groups()
        padded = len(first) if first.startswith("0") else 0
        numbers = range(int(first), int(last) + 1)
        names |= {f"{head}{number:0{padded}}{tail}" for number in numbers}
    return names


@given(st.sets(st.from_regex(r"\A(web|db-)[0-9]{1,3}(a|\.b1)?\Z"), max_size=30))
def test_no_name_is_lost_or_made_up(names: set[str]) -> None:
    assert written_out(short_names(names)) == names


def test_equal_changes_are_one_fold(renderer: Renderer) -> None:
    members = tuple(f"web-{n:02}" for n in range(1, 5))
    (one,) = fold(World(declaration=declaration(target("web", *members))).plan(renderer).changes)
    assert (one.names, one.servers) == ("web-[01:04]", members)


def test_changes_that_read_differently_stay_apart(renderer: Renderer) -> None:
    machines = tuple(server(f"web-{n}", vars={"n": n % 2}) for n in range(4))
    made = declaration(
        target("web", *(one.name for one in machines)),
        servers=machines,
        tasks=(task("deploy", step(run="echo {{ vars.n }}")),),
    )
    folds = fold(World(declaration=made).plan(renderer).changes)
    assert [one.names for one in folds] == ["web-0, web-2", "web-1, web-3"]
    assert [len(one.changes) for one in folds] == [2, 2]


def test_what_is_only_true_of_one_server_keeps_nothing_apart(renderer: Renderer) -> None:
    members = tuple(f"web-{n:02}" for n in range(1, 5))
    plan = World(declaration=declaration(target("web", *members))).plan(renderer)
    changes = [
        replace(
            change,
            before=Digest(f"{number:064x}"),
            expect=Digest(f"{number:064x}"),
            was=("web", f"old-{number}"),
            blocked_by=Blocker(gate=Gate.OFFLINE, message="m", clear=f"ctl check {change.server}"),
        )
        for number, change in enumerate(plan.changes)
    ]
    assert len(fold(changes)) == 1
    other = FileChange(path="/etc/a", what="changed", diff="+x")
    assert len(fold([*changes[1:], replace(changes[0], files=(other,))])) == 2
    assert len(fold([*changes[1:], replace(changes[0], was=("shop", "old-1"))])) == 2
    assert len(fold([*changes[1:], replace(changes[0], wave=2)])) == 2
