"""The main walk over a real agent: what is declared, what is typed, and the scripts a server offers, by mutual TLS."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.agents import AgentHost, Authority, agent_on, declared
from tests.e2e.fleet import Fleet, finished, wait_for
from tests.fakes.repositories import Repository

ROOT = os.geteuid() == 0


@pytest.fixture
def app(fleet: Fleet, authority: Authority) -> Iterator[AgentHost]:
    """A server `app-1` with an agent."""
    with agent_on(fleet, authority, "app-1") as host:
        yield host


SHOP = """\
repos:
  shop: {{url: {shop}}}
tasks:
  deploy:
    checkout: {{path: {there}/tree}}
    files:
      - {{path: {there}/shop.conf, content: "host = {{{{ server.name }}}}\\n", mode: "0640"}}
    steps:
      place: {{run: 'echo "$CTL_COMMIT" >> {there}/log; echo placed; echo key=value >> "$CTL_OUTPUT"'}}
      after: {{run: 'echo got $CTL_OUT_PLACE_KEY; echo left > "$CTL_ARTIFACTS/left.txt"'}}
targets:
  shop: {{repo: shop, servers: app-1, task: deploy, on_drift: heal}}
"""


def test_a_commit_is_delivered_once_and_leaves_its_marker(fleet: Fleet, app: AgentHost) -> None:
    there = fleet.folder / "there"
    there.mkdir()
    shop = Repository(fleet.folder / "shop")
    commit = shop.commit({"app/version": "1\n"}, author="Shop Team")
    fleet.declare(SHOP.format(shop=shop.path, there=there), inventory__servers_yaml=declared(app))
    assert "+ shop (deploy) on app-1" in fleet.ctl("plan", "--detailed-exitcode").ended(2).out
    assert "1 succeeded" in fleet.ctl("apply", "-y").ended(0).out
    assert (there / "log").read_text().split() == [commit]
    assert (there / "shop.conf").read_text() == "host = app-1\n"
    assert (there / "tree/app/version").read_text() == "1\n"
    marker = app.base / fleet.project / "targets/shop.json"
    assert json.loads(marker.read_bytes())["applied"]
    assert fleet.ctl("plan", "--detailed-exitcode").ended(0).summary.startswith("No changes.")
    logs = fleet.ctl("jobs", "logs", "@last").ended(0).out
    assert "placed" in logs
    assert "got value" in logs
    assert "left.txt" in fleet.ctl("jobs", "artifacts", "@last").ended(0).out
    (there / "shop.conf").write_text("other\n")
    assert "≠" in fleet.ctl("plan", "--detailed-exitcode").ended(3).out
    fleet.ctl("apply", "-y").ended(0)
    assert (there / "shop.conf").read_text() == "host = app-1\n"


def test_a_fresh_clone_learns_from_the_agent_what_is_applied(fleet: Fleet, app: AgentHost) -> None:
    fleet.declare(
        "tasks: {hello: {run: echo hi}}\ntargets: {hello: {servers: all, task: hello}}",
        inventory__servers_yaml=declared(app),
    )
    fleet.ctl("apply", "-y").ended(0)
    other = fleet.folder / "other-state"
    plan = fleet.ctl("plan", "--detailed-exitcode", state=other).ended(0)
    assert plan.summary.startswith("No changes.")


def test_a_typed_command_runs_with_exact_words_input_and_exit_code(
    fleet: Fleet, app: AgentHost
) -> None:
    fleet.declare(inventory__servers_yaml=declared(app))
    seen = fleet.ctl("run", "--on", "all", "--", "printf", "%s|", "a b", "$HOME").ended(0)
    assert "a b|$HOME|" in seen.out
    fed = fleet.ctl("run", "--on", "all", "--stdin", "--", "wc -c", stdin="12345").ended(0)
    assert "5" in fed.out
    failed = fleet.ctl("run", "--on", "all", "-o", "json", "--", "exit 7").ended(2)
    jobs = failed.json["jobs"]
    assert isinstance(jobs, list)
    assert jobs[0]["exit_code"] == 7
    assert not (app.base / fleet.project).exists()


@pytest.mark.skipif(not ROOT, reason="only root may become somebody else")
def test_a_typed_command_runs_as_the_user_that_is_named(fleet: Fleet, app: AgentHost) -> None:
    fleet.declare(inventory__servers_yaml=declared(app))
    assert (
        "daemon" in fleet.ctl("run", "--on", "all", "--as", "daemon", "--", "id -un").ended(0).out
    )
    wrong = fleet.ctl("run", "--on", "all", "--as", "no-such-user", "--", "id").ended(2)
    assert "no-such-user" in wrong.all


def test_a_time_out_and_a_stop_end_every_process(fleet: Fleet, app: AgentHost) -> None:
    fleet.declare(
        "tasks: {nap: {timeout: 1s, run: 'echo began; sleep 60 & wait'}}",
        inventory__servers_yaml=declared(app),
    )
    late = fleet.ctl("run", "nap", "--on", "all", "-o", "json").ended(2)
    assert late.json["jobs"][0]["state"] == "timed_out"  # type: ignore[index]
    running = fleet.spawn("run", "--on", "all", "--", "echo began; sleep 61; echo never")
    wait_for(lambda: any(one["state"] == "running" for one in fleet.jobs()))
    fleet.ctl("jobs", "stop", "@last", "--grace", "1s").ended(0)
    assert "cancelled" in finished(running).all
    assert fleet.jobs()[0]["state"] == "cancelled"


def test_work_survives_the_agent_and_the_controller(fleet: Fleet, app: AgentHost) -> None:
    fleet.declare(
        f"""\
tasks:
  slow: {{run: 'echo one >> {fleet.folder}/starts; echo began; sleep 3; echo ended'}}
targets:
  slow: {{servers: all, task: slow}}
""",
        inventory__servers_yaml=declared(app),
    )
    applying = fleet.spawn("apply", "-y")
    wait_for((fleet.folder / "starts").exists)
    os.killpg(applying.pid, signal.SIGKILL)
    app.end(signal.SIGKILL)
    app.start()
    assert "slow" in fleet.ctl("apply", "-y").ended(0).all
    job = fleet.jobs()[0]
    assert (job["state"], job["exit_code"]) == ("succeeded", 0)
    assert (fleet.folder / "starts").read_text() == "one\n"
    assert fleet.ctl("jobs", "logs", str(job["id"])).ended(0).out.split("\n")[1:3] == [
        "began",
        "ended",
    ]


SCRIPTS = {
    "hello": '#!/bin/sh\n#::CTL::title=Say hello\necho "hello $1 $CTL_PARAM_WHO"\n',
    "count": "#!/bin/sh\n#::ARTR::result-type=metric\necho 42\n",
    "lines": "#!/bin/sh\n#::CTL::result-type=table\nprintf 'A B\\n1 2\\n'\n",
    "dump": "#!/bin/sh\n#::CTL::result-type=file\n#::CTL::file-name=dump.bin\nhead -c 300000 /dev/zero > dump.bin\n",
    "fails": "#!/bin/sh\necho no >&2\nexit 3\n",
}


def offered(folder: Path) -> Path:
    """Make a folder of scripts."""
    folder.mkdir(mode=0o755)
    for name, text in SCRIPTS.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    (folder / "loose").write_text("#!/bin/sh\n")
    (folder / "loose").chmod(0o777)
    return folder


@pytest.fixture
def scripted(fleet: Fleet, authority: Authority) -> Iterator[AgentHost]:
    """A server whose agent runs its scripts and nothing else."""
    folder = offered(fleet.folder / "scripts")
    with agent_on(fleet, authority, "app-1", "--scripts", str(folder), "--scripts-only") as host:
        fleet.declare(
            "tasks: {greet: {steps: {say: {uses: script/hello}}}}\n"
            "targets: {greet: {servers: all, task: greet}}\n",
            inventory__servers_yaml=declared(host),
        )
        yield host


def test_scripts_are_listed_inspected_and_run_by_their_type(
    fleet: Fleet, scripted: AgentHost
) -> None:
    listed = fleet.ctl("tasks", "--on", "all", "-o", "json").ended(0)
    names = {one["name"]: one for one in json.loads(listed.out)}
    assert names["hello"]["title"] == "Say hello"
    assert names["loose"]["problem"]
    digest = hashlib.sha256(SCRIPTS["hello"].encode()).hexdigest()
    shown = fleet.ctl("inspect", "hello", "--on", "app-1").ended(0).out
    assert digest in shown
    assert 'echo "hello' in shown
    ran = fleet.ctl("run", "hello", "--on", "all", "-p", "who=you", "--", "big").ended(0)
    assert "hello big you" in ran.out
    assert "42" in fleet.ctl("run", "count", "--on", "all").ended(0).out
    assert "A  B" in fleet.ctl("run", "lines", "--on", "all").ended(0).out
    fleet.ctl("run", "fails", "--on", "all").ended(2)
    assert "cannot run loose" in fleet.ctl("run", "loose", "--on", "all").ended(64).err
    assert "offers no such script" in fleet.ctl("run", "../hello", "--on", "all").ended(1).err


def test_a_file_result_arrives_whole_with_its_digest_and_a_report(
    fleet: Fleet, scripted: AgentHost
) -> None:
    out = fleet.folder / "out"
    ran = fleet.ctl("run", "dump", "--on", "all", "--outdir", str(out)).ended(0)
    data = (out / "dump.bin").read_bytes()
    assert data == bytes(300_000)
    assert hashlib.sha256(data).hexdigest() in ran.out
    fleet.ctl("jobs", "artifacts", "@last", "report/run.json", "--outdir", str(out)).ended(0)
    report = json.loads((out / "report/run.json").read_bytes())
    assert report["exit_code"] == 0
    assert report["script"]["sha256"] == hashlib.sha256(SCRIPTS["dump"].encode()).hexdigest()


def test_an_agent_of_scripts_only_runs_nothing_else(fleet: Fleet, scripted: AgentHost) -> None:
    refused = fleet.ctl("run", "--on", "all", "--", "id")
    assert refused.code != 0
    assert "uid=" not in refused.out
    assert "scripts" in refused.all
    assert "1 succeeded" in fleet.ctl("apply", "-y").ended(0).out
    assert fleet.ctl("plan", "--detailed-exitcode").ended(0).summary.startswith("No changes.")


OWN = """#!/bin/sh
#::CTL::title=Sent by the controller
#::CTL::result-type=file
#::CTL::file-name=sent.bin
echo "sent to $1 $CTL_PARAM_WHO"; head -c 70000 /dev/zero > sent.bin
"""


def own_script(fleet: Fleet, name: str, text: str = OWN) -> Path:
    """Put a script into the config repository."""
    path = fleet.config.path / "scripts" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def test_a_script_of_the_config_repository_is_fetched_by_the_agent_and_run(
    fleet: Fleet, authority: Authority, app: AgentHost
) -> None:
    fleet.declare(inventory__servers_yaml=declared(app) + "  here: {local: {}}\n")
    path = own_script(fleet, "send.sh")
    digest = hashlib.sha256(OWN.encode()).hexdigest()
    out = fleet.folder / "out"
    typed = ("run", "send", "--on", "app-1", "--outdir", str(out), "-p", "who=you", "--", "big")
    for _ in range(2):
        assert "sent to big you" in fleet.ctl(*typed).ended(0).out + logs(fleet)
        assert (out / "sent.bin").read_bytes() == bytes(70_000)
        (out / "sent.bin").unlink()
    fleet.ctl("jobs", "artifacts", "@last", "report/run.json", "--outdir", str(out)).ended(0)
    report = json.loads((out / "report/run.json").read_bytes())
    assert report["script"]["sha256"] == digest
    assert report["script"]["title"] == "Sent by the controller"
    assert [one.name for one in (app.state / "scripts").iterdir()] == [digest]
    bare = fleet.ctl("run", "send", "--on", "here").ended(4)
    assert "has no agent that could fetch it" in bare.err
    path.chmod(0o644)
    assert "not executable" in fleet.ctl("run", "send", "--on", "app-1").ended(64).err


def logs(fleet: Fleet) -> str:
    return fleet.ctl("jobs", "logs", "@last").ended(0).out


def test_an_agent_of_scripts_takes_those_of_its_controller_only_when_told_to(
    fleet: Fleet, authority: Authority, scripted: AgentHost
) -> None:
    own_script(fleet, "send")
    own_script(fleet, "hello", OWN)
    refused = fleet.ctl("run", "send", "--on", "all").ended(2)
    assert "nothing but the scripts it offers" in refused.all
    assert not (scripted.state / "scripts").exists()
    scripted.end()
    scripted.words = (*scripted.words, "--scripts-from-controller")
    scripted.start()
    fleet.ctl("run", "send", "--on", "all").ended(0)
    assert "sent to" in logs(fleet)
    fleet.ctl("run", "hello", "--on", "all").ended(0)
    assert "hello" in logs(fleet)
    assert fleet.ctl("run", "--on", "all", "--", "id").code != 0


def nowhere(fleet: Fleet, *words: str) -> str:
    """Run `ctl` where there is no config repository; give what it prints."""
    (fleet.folder / "nowhere").mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-m", "controller", *words],
        cwd=fleet.folder / "nowhere",
        env={**fleet.environment, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_an_agent_that_is_not_declared_is_reached_by_its_address(
    fleet: Fleet, authority: Authority
) -> None:
    folder = offered(fleet.folder / "scripts")
    if not (authority.folder / "named/localhost").exists():
        authority.issue("localhost", "agent")
    with agent_on(fleet, authority, "localhost", "--scripts", str(folder)) as host:
        where = ("--addr", f"localhost:{host.port}")
        assert "Say hello" in nowhere(fleet, "tasks", *where)
        assert "hello there" in nowhere(fleet, "run", "hello", *where, "--", "there")
        assert "hello there" in nowhere(fleet, "run", *where, "--", "echo hello there")


def test_why_an_agent_is_not_reached_is_told_apart(
    fleet: Fleet, authority: Authority, app: AgentHost
) -> None:
    fleet.declare(inventory__servers_yaml=declared(app).replace("app-1:", "app-2:"))
    wrong = fleet.ctl("check", "server", "app-2")
    assert wrong.code == 3
    assert "app-2" in wrong.all
    seen = fleet.ctl("get", "servers", "app-2", "-o", "json").ended(0)
    assert '"cause": "auth"' in seen.out or '"cause": "tls"' in seen.out
    fleet.declare(inventory__servers_yaml=declared(app))
    assert fleet.ctl("check", "server", "app-1").code == 0
    app.end()
    assert fleet.ctl("check", "server", "app-1").code == 3
    again = fleet.ctl("get", "servers", "app-1", "-o", "json").ended(0)
    assert '"cause": "tcp"' in again.out


@pytest.fixture
def person(fleet: Fleet, authority: Authority, app: AgentHost) -> Iterator[str]:
    """Somebody with a certificate of his own, for the Linux user `daemon`, in place of the controller's."""
    name = "daemon"
    if not (authority.folder / f"named/{name}").exists():
        authority.issue(name, "user")
    own = fleet.home / ".config/ctl/config.yaml"
    before = own.read_text()
    own.write_text(f"pki: {{dir: {authority.folder}/named/{name}}}\n")
    yield before
    own.write_text(before)


@pytest.mark.skipif(not ROOT, reason="only root may become somebody else")
def test_a_person_works_under_his_own_name_and_touches_only_what_is_his(
    fleet: Fleet, app: AgentHost, person: str
) -> None:
    fleet.declare(
        "tasks: {hello: {run: echo hi}}\ntargets: {hello: {servers: all, task: hello}}",
        inventory__servers_yaml=declared(app),
    )
    assert "daemon" in fleet.ctl("run", "--on", "all", "--", "id -un").ended(0).out
    assert fleet.jobs()[0]["owner"] == "daemon"
    other = fleet.ctl("run", "--on", "all", "--as", "root", "--", "id -un")
    assert other.code != 0
    assert "work as root" in other.all, other.all
    assert fleet.ctl("apply", "-y").code != 0
    own = fleet.home / ".config/ctl/config.yaml"
    mine = own.read_text()
    own.write_text(person)
    theirs = fleet.spawn("run", "--on", "all", "--", "sleep 62")
    wait_for(lambda: fleet.jobs()[0]["state"] == "running")
    own.write_text(mine)
    refused = fleet.ctl("jobs", "stop", "@last", "--grace", "1s")
    assert refused.code == 4, refused.all
    assert "not theirs" in refused.all
    own.write_text(person)
    fleet.ctl("jobs", "stop", "@last", "--grace", "1s").ended(0)
    finished(theirs)


def test_a_change_that_is_confirmed_needs_no_second_worker(fleet: Fleet, app: AgentHost) -> None:
    fleet.declare(
        f"""\
tasks:
  change:
    steps:
      one: {{run: 'echo changed > {fleet.folder}/it'}}
      two: {{run: 'true', needs: []}}
    revert: {{run: 'echo undone > {fleet.folder}/it'}}
targets:
  change: {{servers: all, task: change, rollout: {{confirm: 20s}}}}
""",
        inventory__servers_yaml=declared(app),
    )
    assert "1 succeeded" in fleet.ctl("apply", "-y").ended(0).out
    assert (fleet.folder / "it").read_text() == "changed\n"
