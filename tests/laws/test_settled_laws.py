"""After a good apply there is nothing left to do: with files, trees and renames, delivered for real to this machine."""

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings, strategies as st

from tests.e2e.fleet import Fleet, launched
from tests.fakes.repositories import Repository

files = st.fixed_dictionaries(
    {
        "content": st.sampled_from(["port = 1\n", "port = {{ params.port }}\n", "ä\n\n", "no end"]),
        "mode": st.sampled_from(["0644", "0600", "0755"]),
        "backup": st.booleans(),
    }
)
chapters = st.fixed_dictionaries(
    {
        "target": st.sampled_from(["shop", "store"]),
        "port": st.integers(1, 2),
        "files": st.lists(files, max_size=3),
        "releases": st.sampled_from([None, 1, 3]),
        "commit": st.booleans(),
    }
)


def declare(fleet: Fleet, shop: Repository, chapter: dict[str, Any], was: str) -> None:
    name, there = chapter["target"], fleet.folder / "there"
    delivered = chapter["files"]
    lines = "".join(
        f"      - path: {there}/etc/{number}\n"
        f"        content: {ascii(one['content']).replace(chr(39), chr(34))}\n"
        f'        mode: "{one["mode"]}"\n'
        f"        backup: {str(one['backup']).lower()}\n"
        for number, one in enumerate(delivered)
    )
    releases = chapter["releases"]
    tree = (
        f"    checkout: {{path: {there}/app{releases}, releases: {releases}}}\n" if releases else ""
    )
    renamed = f", was: {was}" if was and was != name else ""
    fleet.declare(
        f"repos: {{shop: {{url: {shop.path}}}}}\n"
        "tasks:\n"
        "  work:\n"
        "    params: {port: {type: integer, default: 1}}\n"
        f"    run: 'true'\n{tree}" + (f"    files:\n{lines}" if lines else "") +
        f"targets: {{{name}: {{repo: shop, servers: here, task: work, params: {{port: {chapter['port']}}}{renamed}}}}}\n",
        message="a chapter",
    )  # fmt: skip


@pytest.mark.sweep  # each run tries it on simulated servers: `test_plan_laws`, and once for real: `test_first_minutes`
@settings(
    max_examples=3,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
@given(st.lists(chapters, min_size=2, max_size=3))
def test_the_plan_after_a_good_apply_is_empty_whatever_was_delivered(
    story: list[dict[str, Any]],
) -> None:
    with tempfile.TemporaryDirectory() as folder, launched(Path(folder)) as fleet:
        shop = Repository(fleet.folder / "shop")
        shop.commit({"app/run.sh": "0"})
        was = ""
        for number, chapter in enumerate(story, start=1):
            if chapter["commit"]:
                shop.commit({"app/run.sh": str(number)})
            declare(fleet, shop, chapter, was)
            fleet.ctl("apply", "-y").ended(0)
            fleet.ctl("plan", "--detailed-exitcode").ended(0)
            was = str(chapter["target"])
            for at, one in enumerate(chapter["files"]):
                lies = fleet.folder / "there/etc" / str(at)
                assert f"{lies.stat().st_mode & 0o7777:04o}" == one["mode"]
            if chapter["releases"] == 1:
                assert (fleet.folder / "there/app1/app/run.sh").exists()
            assert fleet.marker(was).exists()
            assert len(list(fleet.marker(was).parent.glob("*.json"))) == 1
