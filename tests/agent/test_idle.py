"""What an installed agent costs a server on which it has nothing to do: as its unit starts it, with the interpreter of the system."""

import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks import installed
from controller.agent.unit import PYTHON

pytestmark = pytest.mark.real
MOST = 25.0
"""MiB, all of them: those of libraries that others have loaded, too."""
LONGEST = 0.3
STARTS = 3


@contextmanager
def idle(folder: Path) -> Iterator[installed.Running]:
    """Start an agent and let it come to rest."""
    python = PYTHON if Path(PYTHON).exists() else sys.executable
    with installed.agent(folder, folder.parent / "ca", python) as running:
        time.sleep(0.5)
        yield running


@pytest.mark.sweep
def test_an_idle_agent_has_less_than_25_mib_resident_and_costs_little_to_start(
    tmp_path: Path,
) -> None:
    installed.certify(tmp_path / "ca")
    resident, spent = [], []
    for number in range(STARTS):
        with idle(tmp_path / str(number)) as running:
            resident.append(running.memory().resident)
            spent.append(running.cpu())
    assert statistics.median(resident) <= MOST, resident
    assert min(spent) <= LONGEST, spent
