"""Plan files: whole and private on disk, and applied only as they were signed where a signature is asked for."""

import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.planning import saved as saved_plans
from controller.reconcile.carrying.planfiles import put
from tests.e2e.fleet import Fleet, launched
from tests.fakes.repositories import allowed_signers, ssh_key

TASK = "tasks: {a: {run: 'true'}}\ntargets: {t: {servers: here, task: a}}\n"


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    with launched(tmp_path) as made:
        made.declare(TASK)
        yield made


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, Path]:
    return {name: ssh_key(tmp_path, name) for name in ("release", "stranger")}


@pytest.fixture
def signers(tmp_path: Path, keys: dict[str, Path]) -> str:
    path = tmp_path / "signers"
    path.write_bytes(allowed_signers(release=keys["release"]))
    return str(path)


def saved(fleet: Fleet, *, key: Path | None = None) -> Path:
    path = fleet.folder / "p.json"
    sign = () if key is None else ("--sign", str(key))
    fleet.ctl("plan", "--out", str(path), *sign).ended(0)
    return path


def touched(fleet: Fleet) -> bool:
    return fleet.marker("t").exists()


def test_a_signed_plan_is_applied(fleet: Fleet, keys: dict[str, Path], signers: str) -> None:
    path = saved(fleet, key=keys["release"])
    fleet.ctl("apply", str(path), "--verify", signers).ended(0)
    assert touched(fleet)


def test_a_plan_that_nobody_signed_is_refused(fleet: Fleet, signers: str) -> None:
    path = saved(fleet)
    said = fleet.ctl("apply", str(path), "--verify", signers).ended(4)
    assert "is not signed" in said.err
    assert "--sign KEY" in said.err
    assert not touched(fleet)


def test_a_plan_that_was_changed_after_it_was_signed_is_refused(
    fleet: Fleet, keys: dict[str, Path], signers: str
) -> None:
    path = saved(fleet, key=keys["release"])
    plan = json.loads(path.read_text())
    path.write_text(json.dumps(plan))
    said = fleet.ctl("apply", str(path), "--verify", signers).ended(4)
    assert "does not fit" in said.err
    assert not touched(fleet)


def test_a_plan_that_a_stranger_signed_is_refused(
    fleet: Fleet, keys: dict[str, Path], signers: str
) -> None:
    path = saved(fleet, key=keys["stranger"])
    said = fleet.ctl("apply", str(path), "--verify", signers).ended(4)
    assert "not by one of the allowed signers" in said.err
    assert not touched(fleet)


def test_saving_again_leaves_no_signature_of_another_plan(
    fleet: Fleet, keys: dict[str, Path]
) -> None:
    path = saved(fleet, key=keys["release"])
    seal = path.with_name("p.json.sig")
    assert seal.exists()
    saved(fleet)
    assert not seal.exists()


def test_plan_and_signature_are_for_their_owner_alone(fleet: Fleet, keys: dict[str, Path]) -> None:
    path = saved(fleet, key=keys["release"])
    for one in (path, path.with_name("p.json.sig")):
        assert stat.S_IMODE(one.stat().st_mode) == 0o600


def test_a_plan_that_cannot_be_signed_is_not_written(fleet: Fleet, keys: dict[str, Path]) -> None:
    path = saved(fleet, key=keys["release"])
    before = {one: one.read_bytes() for one in (path, path.with_name("p.json.sig"))}
    said = fleet.ctl("plan", "--out", str(path), "--sign", str(fleet.folder / "none")).ended(1)
    assert "cannot sign with" in said.err
    assert {one: one.read_bytes() for one in before} == before


def test_a_folder_that_is_not_there_is_told(fleet: Fleet) -> None:
    said = fleet.ctl("plan", "--out", str(fleet.folder / "no" / "p.json")).ended(1)
    assert "cannot write the plan" in said.err


def test_a_list_of_signers_that_cannot_be_read_is_told(fleet: Fleet) -> None:
    path = saved(fleet)
    said = fleet.ctl("apply", str(path), "--verify", str(fleet.folder / "none")).ended(1)
    assert "cannot read the list of signers" in said.err
    assert not touched(fleet)


def test_a_plan_file_without_an_end_is_refused(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saved_plans, "SIZE_LIMIT", 1000)
    said = fleet.ctl("apply", "/dev/zero").ended(1)
    assert "cannot read the plan" in said.err


def test_nothing_is_half_written_where_a_file_cannot_take_its_place(tmp_path: Path) -> None:
    goal = tmp_path / "p.json"
    goal.mkdir()
    with pytest.raises(IsADirectoryError):
        put(goal, b"plan")
    assert [one.name for one in tmp_path.iterdir()] == ["p.json"]
