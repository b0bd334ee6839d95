"""Bounding git: a shell that allows less than we would is left as it is."""

import resource
import subprocess

import pytest

from controller.source.watch import lower


@pytest.mark.parametrize(
    ("allowed", "most", "left"), [(1 << 30, 1 << 31, 1 << 30), (1 << 31, 1 << 30, 1 << 30)]
)
def test_a_bound_is_lowered_and_never_raised(allowed: int, most: int, left: int) -> None:
    process = subprocess.Popen(["sleep", "60"], stdin=subprocess.DEVNULL)
    try:
        resource.prlimit(process.pid, resource.RLIMIT_AS, (allowed, allowed))
        lower(process.pid, resource.RLIMIT_AS, most)
        assert resource.prlimit(process.pid, resource.RLIMIT_AS)[1] == left
    finally:
        process.kill()
        process.wait()
