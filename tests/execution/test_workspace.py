"""No path leads out of a workspace, whatever a stranger has put there."""

import contextlib
import os
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from controller.execution.errors import FullError, OutsideError
from controller.execution.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_text("secret")
    (tmp_path / "space").mkdir()
    return Workspace(tmp_path / "space", most=1000)


def test_what_was_put_is_listed_read_in_pieces_and_removed(workspace: Workspace) -> None:
    assert workspace.put("a/b/c", b"12345") == 5
    assert workspace.put("a/b/c", b"67", offset=5) == 7
    assert workspace.put("top", b"x") == 1
    assert workspace.names() == {"a/b/c": 7, "top": 1}
    assert workspace.names("a") == {"a/b/c": 7}
    assert [workspace.get("a/b/c", offset=at, limit=4) for at in (0, 4, 8)] == [
        b"1234",
        b"567",
        b"",
    ]
    assert workspace.put("a/b/c", b"new") == 3
    assert workspace.remove("a")
    assert not workspace.remove("a")
    assert workspace.names() == {"top": 1}


@pytest.mark.parametrize(
    "path",
    [
        "",
        ".",
        "/",
        "..",
        "../outside/secret",
        "/etc/passwd",
        "a/../../outside/secret",
        "a\0b",
        "d/" * 40,
    ],
)
def test_paths_that_lead_out_are_refused(workspace: Workspace, path: str) -> None:
    for act in (workspace.get, workspace.remove, lambda p: workspace.put(p, b"x")):
        with pytest.raises(OutsideError):
            act(path)


@pytest.mark.parametrize("where", ["link/secret", "file-link", "hard", "pipe", "link", "dev"])
def test_links_pipes_and_second_names_are_refused(workspace: Workspace, where: str) -> None:
    space, outside = workspace.folder, workspace.folder.parent / "outside"
    (space / "link").symlink_to(outside)
    (space / "file-link").symlink_to(outside / "secret")
    os.link(outside / "secret", space / "hard")
    os.mkfifo(space / "pipe")
    (space / "dev").symlink_to("/dev/zero")
    with pytest.raises(OutsideError):
        workspace.get(where)
    with pytest.raises(OutsideError):
        workspace.put(where, b"changed")
    assert (outside / "secret").read_text() == "secret"


def test_removing_a_link_leaves_what_it_points_to(workspace: Workspace) -> None:
    outside = workspace.folder.parent / "outside"
    (workspace.folder / "d").mkdir()
    (workspace.folder / "d" / "link").symlink_to(outside)
    assert workspace.remove("d")
    assert (outside / "secret").exists()


def test_a_file_has_a_largest_size(workspace: Workspace) -> None:
    workspace.put("f", b"x" * 1000)
    with pytest.raises(FullError, match="1000"):
        workspace.put("f", b"x", offset=1000)


@settings(max_examples=200)
@given(path=st.text(alphabet="ab./\0é", max_size=12))
def test_no_path_of_any_shape_touches_what_lies_beside(
    tmp_path_factory: pytest.TempPathFactory, path: str
) -> None:
    folder = tmp_path_factory.mktemp("w")
    (folder / "space").mkdir()
    with contextlib.suppress(OutsideError):
        Workspace(folder / "space").put(path, b"x")
    assert [entry.name for entry in folder.iterdir()] == ["space"]
