"""Plugins, limits and pauses on real servers, as people declare them."""

import http.server
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.fleet import ROOT, Fleet, finished, wait_for
from tests.fakes.repositories import Repository

pytestmark = pytest.mark.sweep

PAGE = Path(__file__).parents[2] / "docs" / "plugins.md"


def example() -> dict[str, str]:
    """Give the files of the page's example."""
    return dict(
        re.findall(
            r"^`([a-z./-]+)`:\n\n```\w+\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL
        )
    )


def outputs(fleet: Fleet) -> dict[str, dict[str, str]]:
    """Give what the steps of the last job gave."""
    (job, *_) = fleet.jobs()
    found = job["steps"]
    assert isinstance(found, list)
    return {step["name"]: step["outputs"] for step in found}


def put_plugin(fleet: Fleet, name: str, text: str) -> None:
    file = fleet.config.path / "plugins" / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    file.chmod(0o755)


def test_the_example_of_the_page_works_as_it_stands(each: tuple[Fleet, str]) -> None:
    fleet, server = each
    files = example()
    assert set(files) == {"plugins/disk-free", "pipelines/tidy.yaml"}
    put_plugin(fleet, "disk-free", files["plugins/disk-free"])
    fleet.declare(pipelines__tidy_yaml=files["pipelines/tidy.yaml"])
    fleet.ctl("validate").ended(0)
    said = fleet.ctl("run", "tidy", "--on", server).ended(0)
    free = outputs(fleet)["room"]["FREE"]
    assert f"free by now {free} percent" in said.out
    said = fleet.ctl("run", "tidy", "--on", server, "-p", "least=101").ended(2)
    assert "at least 101 % wanted" in said.out


def test_a_change_of_a_plugins_bytes_runs_what_uses_it(each: tuple[Fleet, str]) -> None:
    fleet, server = each
    log = fleet.folder / "log"
    target = f"targets: {{t: {{servers: {server}, task: a}}}}\n"
    text = f"tasks: {{a: {{uses: note, env: {{FILE: {log}}}}}}}\n{target}"
    put_plugin(fleet, "note", '#!/bin/sh\necho one >> "$FILE"\n')
    fleet.declare(text)
    fleet.ctl("apply", "-y").ended(0)
    fleet.ctl("plan", "--detailed-exitcode").ended(0)
    put_plugin(fleet, "note", '#!/usr/bin/env bash\n[[ -n $FILE ]] && echo two >> "$FILE"\n')
    fleet.declare(text + "# changed\n")
    said = fleet.ctl("plan", "--detailed-exitcode").ended(2)
    assert "uses of step main changed, plugins/note:1" in said.out
    assert "> uses note" in said.out
    fleet.ctl("apply", "-y").ended(0)
    assert log.read_text() == "one\ntwo\n"


class Well(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"ready to sail\n")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the library
        pass


@pytest.fixture
def site() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Well)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_both_plugins_that_come_with_ctl_do_their_work(each: tuple[Fleet, str], site: str) -> None:
    fleet, server = each
    repo = Repository(fleet.folder / "repo")
    sha = repo.commit({"version": "1\n"})
    dest = fleet.folder / "dest"
    fleet.declare(
        f"""\
tasks:
  up:
    steps:
      fetch: {{uses: git-checkout, env: {{REPO: {repo.path}, DEST: {dest}, REF: main}}}}
      ask: {{uses: http-check, env: {{URL: {site}/, EXPECT_BODY: to sail, EXPECT_STATUS: '200'}}}}
      tell: {{run: 'echo "at $CTL_OUT_FETCH_COMMIT with $CTL_OUT_ASK_STATUS"'}}
targets: {{up: {{servers: {server}, task: up}}}}
"""
    )
    said = fleet.ctl("apply", "-y").ended(0)
    assert "> uses git-checkout" in said.out
    assert f"at {sha} with 200" in fleet.ctl("jobs", "logs", "@last").ended(0).all
    assert (dest / "version").read_text() == "1\n"
    assert set(outputs(fleet)["ask"]) == {"STATUS", "TIME"}


def test_a_script_of_the_server_is_refused_where_there_is_no_agent(fleet: Fleet) -> None:
    fleet.declare("tasks: {a: {uses: script/uptime}}\ntargets: {t: {servers: here, task: a}}\n")
    said = fleet.ctl("validate").ended(1)
    assert "pipelines/main.yaml:1:13" in said.all
    assert "cannot run script/uptime for target t on here" in said.all


def test_limits_are_refused_before_anything_runs_where_nothing_holds_them(ships: Fleet) -> None:
    """Here neither a login without root nor a kernel without the controllers could."""
    ran = ships.folder / "ran"
    ships.declare(
        f"tasks:\n  a:\n    run: touch {ran}\n    limits: {{memory: 64M, cpu: 50%}}\n"
        "targets: {t: {servers: fleet, task: a}}\n"
    )
    said = ships.ctl("plan")
    if said.code == 0:
        pytest.skip("the kernel of this machine holds limits")
    said.ended(1)
    assert "pipelines/main.yaml:4:5" in said.all
    assert "cannot limit cpu, memory on web-1 and 1 more" in said.all
    assert ("the login" in said.all) is not ROOT
    assert ships.ctl("apply", "-y").code == 1
    by_hand = ships.ctl("run", "a", "--on", "web-1")
    assert by_hand.code != 0
    assert "cannot limit" in by_hand.all + ships.ctl("jobs", "show", "@last").all
    assert not ran.exists()


@pytest.mark.sweep
def test_a_job_is_held_and_goes_on_where_there_is_no_agent(each: tuple[Fleet, str]) -> None:
    fleet, server = each
    file = fleet.folder / "beats"
    text = f"while [ ! -e {file}.end ]; do echo x >> {file}; sleep 0.02; done"
    fleet.declare(f"tasks: {{beat: {{run: '{text}', timeout: 60s}}}}\n")
    running = fleet.spawn("run", "beat", "--on", server)

    def size() -> int:
        return file.stat().st_size if file.exists() else 0

    def beats() -> bool:
        before = size()
        time.sleep(0.3)
        return size() != before

    wait_for(lambda: size() > 4)
    fleet.run("jobs", "pause", "@last").ended(0)
    wait_for(lambda: not beats())
    wait_for(lambda: fleet.jobs()[0]["state"] == "paused")
    assert not beats()
    fleet.run("jobs", "resume", "@last").ended(0)
    wait_for(beats)
    Path(f"{file}.end").touch()
    finished(running).ended(0)
