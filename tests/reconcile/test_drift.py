"""Drift is shown with what speaks for who made it, adopted as a patch that gives exactly what lies there, or ignored."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.fleet import Fleet, Seen, launched

pytestmark = pytest.mark.real

TASK = """\
tasks:
  conf:
    params: {{workers: {{type: integer, default: 4}}}}
    files:
      - path: {conf}
        template: templates/shop.conf
      - path: {motd}
        content: |
          Welcome
          to {{{{ server.name }}}}
        mode: "0644"
      - {{path: {source}, source: files/source.txt}}
    steps: {{restart: {{run: 'echo restarted >> {log}'}}}}
targets:
  shop: {{servers: here, task: conf}}
"""
TEMPLATE = (
    "# shop\nworkers = {{ params.workers }}\nport = 80\n{% if true %}\nextra = yes\n{% endif %}\n"
)


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    with launched(tmp_path) as made:
        (tmp_path / "etc").mkdir()
        paths = {name: tmp_path / "etc" / name for name in ("conf", "motd", "source", "log")}
        made.config.write({"templates/shop.conf": TEMPLATE, "files/source.txt": "one\ntwo\n"})
        made.declare(TASK.format(**paths))
        made.ctl("apply", "-y").ended(0)
        yield made


def live(fleet: Fleet, name: str) -> Path:
    return fleet.folder / "etc" / name


def change(fleet: Fleet, name: str, old: str, new: str) -> Path:
    path = live(fleet, name)
    before = path.read_text()
    assert old in before
    path.write_text(before.replace(old, new))
    return path


def adopt(fleet: Fleet, *more: str, code: int = 0) -> Seen:
    return fleet.ctl("drift", "adopt", "shop", "here", *more).ended(code)


def commit(fleet: Fleet, patch: str) -> None:
    """Do what a person does with a patch."""
    fleet.config.git("apply", "--check", "-", stdin=patch.encode())
    fleet.config.git("apply", "-", stdin=patch.encode())
    fleet.config.commit(message="adopt")


def settled(fleet: Fleet) -> None:
    """Demand that what lies there is what is wanted, that applying writes none of it, and that nothing is left."""
    planned = fleet.ctl("plan", "-o", "json").ended(0).json
    changes = planned["changes"]
    assert isinstance(changes, list)
    assert [one["action"] for one in changes] == ["change"]
    assert all(one["drift"] is None for one in changes if "drift" in one)
    assert [one.get("files", []) for one in changes] == [[]]
    before = {one.name: one.stat() for one in (fleet.folder / "etc").iterdir()}
    fleet.ctl("apply", "-y").ended(0)
    for name in ("conf", "motd", "source"):
        now = live(fleet, name).stat()
        assert (now.st_ino, now.st_mtime_ns) == (before[name].st_ino, before[name].st_mtime_ns)
    assert fleet.ctl("plan").ended(0).summary.startswith("No changes.")


def test_show_tells_every_difference_and_when_it_was_made(fleet: Fleet) -> None:
    path = change(fleet, "conf", "port = 80", "port = 8080")
    os.utime(path, (1_795_000_000, 1_795_000_000))
    said = fleet.ctl("drift", "show", "shop").ended(0)
    assert "-port = 8080" in said.out
    assert "+port = 80" in said.out
    assert "likely: last written at 2026-11-18 11:06:40 UTC, owned by " in said.out
    assert "next: ctl apply --heal --target shop" in said.err
    document = fleet.ctl("drift", "show", "-o", "json").ended(0).json
    pairs = document["pairs"]
    assert isinstance(pairs, list)
    assert [(one["target"], one["server"]) for one in pairs] == [("shop", "here")]
    assert [part["path"] for part in pairs[0]["parts"]] == [str(path)]


def test_without_drift_there_is_none(fleet: Fleet) -> None:
    assert "No drift." in fleet.ctl("drift", "show").ended(0).out
    assert "no drift of a file to adopt" in adopt(fleet).err


def test_the_marker_of_another_controller_is_certain(fleet: Fleet) -> None:
    other = fleet.folder / "other-state"
    change(fleet, "conf", "port = 80", "port = 8080")
    fleet.ctl("apply", "-y", "--heal", state=other).ended(0)
    run = json.loads(fleet.marker("shop").read_text())["run"]
    said = fleet.ctl("drift", "show").ended(0).out
    assert f"certain: run {run} by " in said


def test_hostile_names_and_texts_stay_text(fleet: Fleet) -> None:
    change(fleet, "conf", "port = 80", "port = \x1b[2J\u202e 80")
    said = fleet.ctl("drift", "show").ended(0).out
    assert "\x1b" not in said
    assert "\u202e" not in said


def test_a_plain_line_of_a_template_is_adopted_and_the_expression_stays(fleet: Fleet) -> None:
    change(fleet, "conf", "port = 80", "port = 8080\nhost = {{ evil }}")
    patch = adopt(fleet).out
    assert "{{ params.workers }}" in patch
    commit(fleet, patch)
    settled(fleet)


def test_a_block_in_yaml_is_adopted_at_its_place(fleet: Fleet) -> None:
    change(fleet, "motd", "Welcome\n", "Welcome back\n\n  friends\n")
    commit(fleet, adopt(fleet).out)
    assert "to {{ server.name }}" in (fleet.config.path / "pipelines/main.yaml").read_text()
    settled(fleet)


def test_a_source_and_a_mode_are_adopted(fleet: Fleet) -> None:
    change(fleet, "source", "two\n", "two\nthree")
    live(fleet, "source").chmod(0o600)
    live(fleet, "motd").chmod(0o640)
    commit(fleet, adopt(fleet).out)
    text = (fleet.config.path / "pipelines/main.yaml").read_text()
    assert 'mode: "0600"' in text
    assert 'mode: "0640"' in text
    settled(fleet)


def test_everything_at_once_is_one_patch(fleet: Fleet) -> None:
    change(fleet, "conf", "# shop", "# our shop")
    change(fleet, "motd", "Welcome", "Hello")
    live(fleet, "motd").chmod(0o600)
    change(fleet, "source", "one", "1")
    out = fleet.folder / "drift.patch"
    said = adopt(fleet, "--out", str(out))
    assert said.out == ""
    assert f"next: git apply {out}" in said.err
    commit(fleet, out.read_text())
    settled(fleet)


def test_a_line_of_an_expression_is_refused_with_its_place_and_the_rest_is_adopted(
    fleet: Fleet,
) -> None:
    change(fleet, "conf", "workers = 4", "workers = 8")
    change(fleet, "source", "one", "1")
    said = adopt(fleet, code=4)
    assert "templates/shop.conf:2" in said.err
    assert "{{ params.workers }}" in said.err
    assert "templates/shop.conf" not in said.out
    assert "files/source.txt" in said.out


def test_only_one_path_is_adopted_where_one_is_named(fleet: Fleet) -> None:
    change(fleet, "conf", "port = 80", "port = 81")
    path = change(fleet, "source", "one", "1")
    patch = adopt(fleet, "--path", str(path)).out
    assert "files/source.txt" in patch
    assert "shop.conf" not in patch
    adopt(fleet, "--path", str(live(fleet, "motd")), code=1)


def test_what_is_gone_or_no_text_is_refused_with_what_to_do(fleet: Fleet) -> None:
    live(fleet, "conf").unlink()
    live(fleet, "source").write_bytes(b"\x00\xff")
    said = adopt(fleet, code=4)
    assert said.out == ""
    assert "it is gone" in said.err
    assert "not UTF-8 text" in said.err


def test_nothing_is_adopted_while_other_changes_wait(fleet: Fleet) -> None:
    change(fleet, "conf", "port = 80", "port = 81")
    fleet.config.commit({"templates/shop.conf": TEMPLATE + "more\n"})
    assert "ctl apply --target shop" in adopt(fleet, code=4).err


def test_a_file_with_a_secret_and_a_file_that_got_one_by_hand_are_refused(fleet: Fleet) -> None:
    fleet.variables["TOKEN"] = "correct-horse-battery"  # noqa: S105 - made up here
    text = (fleet.config.path / "pipelines/main.yaml").read_text()
    named = "secrets: {token: {env: TOKEN}}\n"
    path = live(fleet, "closed")
    closed = f"      - {{path: {path}, content: \"t {{{{ secret('token') }}}} \\n\"}}\n    steps:"
    fleet.declare(named + text.replace("    steps:", closed))
    fleet.ctl("apply", "-y").ended(0)
    path.write_text("t other\n")
    change(fleet, "conf", "port = 80", "port = correct-horse-battery")
    said = adopt(fleet, code=4)
    assert "correct-horse-battery" not in said.all
    assert said.out == ""
    assert said.err.count("it holds the value of a secret") == 2
    shown = fleet.ctl("drift", "show").ended(0)
    assert "correct-horse-battery" not in shown.all
    assert str(path) in shown.out


def test_the_patch_says_for_how_many_others_it_counts(fleet: Fleet) -> None:
    text = (fleet.config.path / "inventory/servers.yaml").read_text()
    fleet.config.commit({"inventory/servers.yaml": text + "  also: {local: {}, active: false}\n"})
    main = (fleet.config.path / "pipelines/main.yaml").read_text()
    fleet.declare(main.replace("servers: here", "servers: all"))
    fleet.ctl("apply", "-y")
    change(fleet, "conf", "port = 80", "port = 81")
    assert "changes the work of 1 other pair, too" in adopt(fleet).err


def shared(fleet: Fleet) -> Path:
    """Deliver the source a second time, to another path."""
    twin = live(fleet, "twin")
    text = (fleet.config.path / "pipelines/main.yaml").read_text()
    second = f"      - {{path: {twin}, source: files/source.txt}}\n    steps:"
    fleet.declare(text.replace("    steps:", second))
    fleet.ctl("apply", "-y").ended(0)
    return twin


def test_the_patch_says_which_other_files_it_changes(fleet: Fleet) -> None:
    twin = shared(fleet)
    change(fleet, "source", "one", "1")
    assert f"the patch changes {twin} on that server, too" in adopt(fleet).err


def test_two_files_of_one_source_are_adopted_together_only_where_they_agree(fleet: Fleet) -> None:
    twin = shared(fleet)
    change(fleet, "source", "one", "1")
    change(fleet, "twin", "one", "1")
    assert f"{twin}; read" in adopt(fleet).err
    change(fleet, "twin", "1", "first")
    said = adopt(fleet, code=4)
    assert "two different texts" in said.err
    assert "+1" in said.out


def test_a_template_that_turns_in_a_loop_is_refused_rather_than_guessed(fleet: Fleet) -> None:
    loop = TEMPLATE + "{% for one in [1, 2] %}\nname = {{ one }}\nopen = yes\n{% endfor %}\n"
    fleet.config.commit({"templates/shop.conf": loop})
    fleet.ctl("apply", "-y").ended(0)
    path = live(fleet, "conf")
    path.write_text(path.read_text().replace("open = yes", "open = no", 1))
    said = adopt(fleet, code=4)
    assert said.out == ""
    assert "by hand" in said.err


def test_adopting_writes_nothing_but_the_patch(fleet: Fleet) -> None:
    change(fleet, "conf", "port = 80", "port = 81")
    head = fleet.config.head
    before = fleet.config.git("status", "--porcelain")
    adopt(fleet)
    assert (fleet.config.head, fleet.config.git("status", "--porcelain")) == (head, before)


def test_ignored_drift_is_told_once_and_shown_again_when_it_is_lifted(fleet: Fleet) -> None:
    path = change(fleet, "conf", "port = 80", "port = 81")
    words = ("shop", "here", "--path", str(path))
    fleet.ctl("drift", "ignore", *words, "--reason", "trial", "--until", "2h").ended(0)
    assert "drifted" not in fleet.ctl("plan").ended(0).summary.replace("0 drifted", "")
    assert "trial" in fleet.ctl("drift", "show").ended(0).out
    fleet.ctl("plan", "--detailed-exitcode").ended(0)
    events = [str(one["event"]) for one in fleet.events() if "drift" in str(one["event"])]
    assert events == ["drift-ignoring", "drift-ignored"]
    fleet.ctl("drift", "ignore", *words, "--lift").ended(0)
    fleet.ctl("plan", "--detailed-exitcode").ended(3)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("shop", "here", "--until", "2h"), 64),
        (("shop", "here", "--reason", "x"), 64),
        (("shop", "here", "--reason", "x", "--until", "2020-01-01"), 64),
        (("shop", "here", "--reason", "x", "--until", "2h", "--path", "etc"), 64),
        (("shop", "there", "--reason", "x", "--until", "2h"), 1),
        (("shoe", "here", "--reason", "x", "--until", "2h"), 1),
        (("shop", "here", "--lift", "--until", "2h"), 64),
    ],
)
def test_ignoring_needs_a_pair_a_reason_and_an_end(
    fleet: Fleet, words: tuple[str, ...], code: int
) -> None:
    fleet.ctl("drift", "ignore", *words).ended(code)
