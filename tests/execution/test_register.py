"""What is deleted of jobs: everything below a folder, and nothing that a link there leads to."""

from pathlib import Path

import pytest

from controller.execution.register import delete


def test_a_folder_goes_with_everything_below_it(tmp_path: Path) -> None:
    job = tmp_path / "job"
    (job / "workspace" / "a" / "b").mkdir(parents=True)
    (job / "workspace" / "a" / "b" / "file").write_bytes(b"x")
    (job / "workspace" / "broken").symlink_to("nowhere")
    delete(job)
    delete(job)  # done twice it is done once
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("target", ["kept", "kept/file"])
def test_links_go_and_what_they_lead_to_stays(tmp_path: Path, target: str) -> None:
    kept, job = tmp_path / "kept", tmp_path / "job"
    kept.mkdir()
    (kept / "file").write_bytes(b"x")
    job.mkdir()
    (job / "link").symlink_to(tmp_path / target)
    delete(job)
    assert not job.exists()
    assert (kept / "file").read_bytes() == b"x"


def test_a_link_is_no_folder_to_delete(tmp_path: Path) -> None:
    kept, job = tmp_path / "kept", tmp_path / "job"
    kept.mkdir()
    (kept / "file").write_bytes(b"x")
    job.symlink_to(kept)
    with pytest.raises(NotADirectoryError):
        delete(job)
    assert (kept / "file").exists()
