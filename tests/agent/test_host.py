"""How a machine does: recorded texts of real kernels, this machine, and machines without some file."""

import os
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from controller.agent.host import Disk, Host
from controller.agent.procfs import (
    CpuTimes,
    Memory,
    read_loadavg,
    read_meminfo,
    read_stat,
    read_uptime,
)
from controller.wire.codec import pack
from controller.wire.messages.greetings import Heartbeat

# Of a Debian 12 machine with two processors, at two moments.
STAT = """\
cpu  1483854 8373 304841 1523346 12169 0 6625 12354 0 0
cpu0 676156 4357 147331 835488 4081 0 938 6078 0 0
cpu1 807698 4016 157510 687857 8088 0 5687 6276 0 0
intr 15571941 0 0 0
ctxt 48926826
btime 1795320278
processes 1207531
procs_running 3
procs_blocked 0
softirq 4243236 0 1081834 6 262412 0 0 3 1303453 0 1595528
"""
LATER = STAT.replace(
    "cpu  1483854 8373 304841 1523346 12169 0 6625 12354",
    "cpu  1483954 8373 304891 1523396 12169 0 6625 12354",
)
MEMINFO = """\
MemTotal:       24684092 kB
MemFree:        22738008 kB
MemAvailable:   23639684 kB
Buffers:           40780 kB
Cached:           821320 kB
SwapCached:            0 kB
HugePages_Total:       0
Hugepagesize:       2048 kB
"""
# Of CentOS 6, whose kernel does not say what is available.
OLD_MEMINFO = """\
MemTotal:        1020188 kB
MemFree:          118536 kB
Buffers:           61004 kB
Cached:           603760 kB
SwapCached:            0 kB
"""


def test_processors_count_since_the_last_look() -> None:
    first, second = read_stat(STAT), read_stat(LATER)
    assert first.processors == 2
    assert second.share_since(first) == pytest.approx(0.75)  # 150 of 200 ticks
    busy = 1483854 + 8373 + 304841 + 6625 + 12354
    assert first.share_since(None) == pytest.approx(busy / (busy + 1523346 + 12169))


def test_kernels_without_steal_and_with_guests_are_read() -> None:
    assert read_stat("cpu  10 0 10 70 10\ncpu0 10 0 10 70 10\n") == CpuTimes(
        busy=20, total=100, processors=1
    )
    assert read_stat("cpu  50 0 0 50 0 0 0 0 40 40 99\n").total == 100


def test_memory_in_use_is_what_is_not_available() -> None:
    assert read_meminfo(MEMINFO) == Memory(used=(24684092 - 23639684) << 10, total=24684092 << 10)
    old = (1020188 - 118536 - 61004 - 603760) << 10
    assert read_meminfo(OLD_MEMINFO) == Memory(used=old, total=1020188 << 10)


def test_load_and_uptime() -> None:
    assert read_loadavg("4.51 4.88 5.26 5/143 440\n") == (4.51, 4.88, 5.26)
    assert read_uptime("16858.03 15233.46\n") == 16858.03


@pytest.mark.parametrize("text", ["", "x", "nan inf 1 2", "-1 -1 -1", "cpu  1 2\n", "\0" * 9])
@pytest.mark.parametrize("reader", [read_stat, read_meminfo, read_loadavg, read_uptime])
def test_what_is_no_such_file_is_refused(reader: object, text: str) -> None:
    assert callable(reader)
    with pytest.raises(ValueError, match=r"."):
        reader(text)


times = st.builds(
    CpuTimes, busy=st.integers(0, 1 << 60), total=st.integers(0, 1 << 60), processors=st.just(1)
)


@given(times, times | st.none())
def test_a_share_is_between_nothing_and_all_whatever_the_counters_do(
    now: CpuTimes, before: CpuTimes | None
) -> None:
    assert 0.0 <= now.share_since(before) <= 1.0


@pytest.mark.real
def test_this_machine_is_seen_and_fits_into_a_heartbeat(tmp_path: Path) -> None:
    host = Host(("/", str(tmp_path)))
    host.look()
    seen = host.look()
    assert seen.missing == ()
    assert seen.state.processors == os.cpu_count()
    assert 0 < seen.state.memory_used < seen.state.memory_total
    assert seen.state.uptime > 0
    assert len(seen.state.load) == 3
    assert seen.boot_id == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert set(seen.disks) == {"/", str(tmp_path)}
    assert Disk(used=seen.state.disk_used, total=seen.state.disk_total) in seen.disks.values()
    header, _ = pack(Heartbeat(number=1, state=seen.state))
    assert len(header) < 1000


def test_missing_and_damaged_files_are_told_and_nothing_fails(tmp_path: Path) -> None:
    (tmp_path / "stat").write_text(STAT)
    (tmp_path / "meminfo").write_text("nonsense")
    (tmp_path / "loadavg").mkdir()
    seen = Host((str(tmp_path), "/none"), proc=str(tmp_path)).look()
    assert seen.missing == (
        f"{tmp_path}/meminfo: no MemTotal",
        "/none: no such file or directory",
        f"{tmp_path}/loadavg: is a directory",
        f"{tmp_path}/uptime: no such file or directory",
        f"{tmp_path}/sys/kernel/random/boot_id: no such file or directory",
    )
    assert (seen.state.processors, seen.state.memory_total, seen.state.load) == (2, 0, ())
    assert seen.state.disk_total > 0


def test_a_second_look_is_about_the_time_since_the_first(tmp_path: Path) -> None:
    host = Host((), proc=str(tmp_path))
    (tmp_path / "stat").write_text(STAT)
    assert host.look().state.cpu == pytest.approx(0.54, abs=0.01)
    (tmp_path / "stat").write_text(LATER)
    assert host.look().state.cpu == pytest.approx(0.75)
