"""The carrier port's promises about starting work, on every carrier."""

import asyncio
import os
import pwd
from dataclasses import replace
from pathlib import Path

import pytest

from controller.errors import SessionLostError, TransportError
from controller.model.ids import AttemptId
from controller.model.inventory import Agent, Carrier
from controller.transport.port import Ending, Phase, ProbeSpec
from tests.fakes import processes
from tests.transport.way import Way, output_of

pytestmark = pytest.mark.real
ODD = "quotes ' \" and `date` $HOME \\ back\nnew line\n\ttab é \udc80 #; end "
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")


async def test_an_attempt_runs_and_tells_its_exit_code(every_way: Way) -> None:
    ended, output = await every_way.run("echo out; echo err >&2; exit 3")
    assert (ended.phase, ended.ending, ended.exit_code) == (Phase.ENDED, Ending.EXIT, 3)
    assert output == b"out\nerr\n"


@pytest.mark.parametrize("code", [0, 1, 126, 127, 255])
async def test_every_exit_code_arrives_as_it_is(way: Way, code: int) -> None:
    ended, _ = await way.run(f"exit {code}")
    assert (ended.ending, ended.exit_code) == (Ending.EXIT, code)


async def test_a_signal_is_128_and_its_number(every_way: Way) -> None:
    ended, _ = await every_way.run("kill -KILL $$")
    assert (ended.ending, ended.exit_code) == (Ending.EXIT, 137)


async def test_a_second_start_tells_what_is_known_and_runs_nothing(
    every_way: Way, tmp_path: Path
) -> None:
    session = await every_way.open()
    spec = every_way.spec(f"echo once >> {tmp_path}/count; exit 4")
    first = await session.start(spec)
    assert (first.fresh, first.phase) == (True, Phase.RUNNING)
    await session.wait(spec.id)
    for again in (session, await every_way.open()):
        status = await again.start(spec)
        assert (status.fresh, status.phase, status.exit_code) == (False, Phase.ENDED, 4)
    assert (tmp_path / "count").read_text() == "once\n"


async def test_fifty_starts_of_one_id_run_it_once(every_way: Way, tmp_path: Path) -> None:
    sessions = [await every_way.open() for _ in range(5)]
    spec = every_way.spec(f"echo once >> {tmp_path}/count; sleep 0.2; exit 5")
    told = await asyncio.gather(*(sessions[n % 5].start(spec) for n in range(50)))
    assert sum(one.fresh for one in told) == 1
    assert {one.phase for one in told} <= {Phase.RUNNING, Phase.ENDED}
    ends = await asyncio.gather(*(one.wait(spec.id) for one in sessions))
    assert [one.exit_code for one in ends] == [5] * 5
    assert (tmp_path / "count").read_text() == "once\n"


async def test_many_attempts_run_side_by_side(way: Way) -> None:
    session = await way.open()
    specs = [way.spec(f"sleep 0.1; echo {n}; exit {n}") for n in range(30)]
    await asyncio.gather(*(session.start(spec) for spec in specs))
    ends = await asyncio.gather(*(session.wait(spec.id) for spec in specs))
    assert [one.exit_code for one in ends] == list(range(30))
    outputs = [await output_of(session, spec.id) for spec in specs]
    assert outputs == [b"%d\n" % n for n in range(30)]


async def test_an_id_that_nobody_started_is_unknown(way: Way) -> None:
    session = await way.open()
    never = AttemptId(f"{way.job}.never.1")
    assert (await session.status(never)).phase is Phase.NONE
    assert (await session.wait(never)).phase is Phase.NONE
    assert (await session.stop(never)).phase is Phase.NONE


async def test_environment_values_arrive_byte_for_byte(every_way: Way) -> None:
    large = "x" * 100_000
    env = {"ODD": ODD, "EMPTY": "", "LARGE": large}
    text = 'printf \'%s|%s|%s\' "$ODD" "${EMPTY-unset}" "$LARGE"'
    ended, output = await every_way.run(text, env=env)
    assert ended.exit_code == 0
    assert output == ODD.encode("utf-8", "surrogateescape") + b"||" + large.encode()


async def test_nothing_else_of_the_environment_reaches_the_work(way: Way) -> None:
    _, output = await way.run("env -0 2>/dev/null || env", env={"MINE": "1"})
    names = {line.partition(b"=")[0] for line in output.split(b"\0") if line}
    allowed = {b"PATH", b"HOME", b"USER", b"LOGNAME", b"SHELL", b"LANG"}
    shell = {b"PWD", b"_", b"SHLVL", b"OLDPWD"}
    runner = {b"CTL_OUTPUT", b"CTL_ARTIFACTS", b"CTL_MARK"}
    if way.of_agent:
        runner.add(b"CTL_WORKSPACE")
    assert names - shell == (names & allowed) | runner | {b"MINE"}


async def test_no_argument_list_shows_what_was_sent(every_way: Way) -> None:
    session = await every_way.open()
    spec = every_way.spec(
        "# text-canary-71\nread line; sleep 30 & echo $line; wait",
        env={"TOKEN": "env-canary-72"},
        stdin=b"stdin-canary-73\n",
    )
    large = every_way.spec(b"# text-canary-71\n" * 5000 + b"sleep 30")
    seen = b""
    async with asyncio.TaskGroup() as group:
        started = [group.create_task(session.start(one)) for one in (spec, large)]
        while not all(task.done() for task in started):
            seen += await asyncio.to_thread(processes.arguments)
    await processes.until(lambda: len(every_way.running()) >= 2)
    seen += processes.arguments()
    assert b"canary-7" not in seen
    assert await output_of(session, spec.id) == b"stdin-canary-73\n"
    await asyncio.gather(*(session.stop(one.id, grace=0.2) for one in (spec, large)))


@pytest.mark.parametrize("size", [0, 5, 300_000])
async def test_stdin_arrives_byte_for_byte(every_way: Way, size: int) -> None:
    sent = bytes(range(256)) * (size // 256 + 1)
    ended, output = await every_way.run("cat", stdin=sent[:size])
    assert (ended.exit_code, output) == (0, sent[:size])


async def test_a_script_of_megabytes_runs(way: Way) -> None:
    ended, output = await way.run(b"# filling\n" * 300_000 + b"echo end; exit 6")
    assert (ended.exit_code, output) == (6, b"end\n")


async def test_a_script_runs_under_its_own_first_line(way: Way) -> None:
    script = "#!/usr/bin/env perl\nprint 'perl ', 6 * 7, qq{\\n};"
    _, output = await way.run(script)
    assert output == b"perl 42\n"


async def test_a_declared_shell_reads_the_text(way: Way) -> None:
    ended, output = await way.run("false; echo not reached", shell=("sh", "-e"))  # noqa: S604 - a field of ours
    assert (ended.exit_code, output) == (1, b"")


async def test_a_shell_that_is_not_there_is_no_exit_code(every_way: Way) -> None:
    ended, _ = await every_way.run("true", shell=("no-such-shell",))  # noqa: S604 - a field of ours
    assert ended.ending is Ending.START
    assert "no-such-shell" in ended.message


async def test_work_runs_in_its_folder(every_way: Way, tmp_path: Path) -> None:
    folder = tmp_path / "a folder with 'odd' $names"
    folder.mkdir()
    _, output = await every_way.run("pwd", workdir=str(folder))
    assert output.decode() == f"{folder}\n"


async def test_work_without_folder_runs_at_home(way: Way) -> None:
    _, output = await way.run('[ "$(pwd)" = "$(cd "$HOME" && pwd)" ] && echo home')
    assert output == b"home\n"


async def test_a_folder_that_is_not_there_is_no_exit_code(way: Way) -> None:
    ended, _ = await way.run("true", workdir="/no/such/folder")
    assert ended.ending is Ending.START
    assert "/no/such/folder" in ended.message


async def test_outputs_come_back_whole(every_way: Way) -> None:
    ended, _ = await every_way.run("printf 'version=1.2\\nodd=\\001\\377' > \"$CTL_OUTPUT\"")
    assert ended.outputs == b"version=1.2\nodd=\1\xff"


async def test_outputs_are_bounded(way: Way) -> None:
    ended, _ = await way.run('head -c 300000 /dev/zero | tr "\\0" x > "$CTL_OUTPUT"')
    assert ended.exit_code == 0
    assert len(ended.outputs) == 65536


@root_only
async def test_work_runs_as_the_declared_user(way: Way) -> None:
    text = 'id -un; echo "$HOME|$USER|$LOGNAME|$SECRET"; cat; echo x=1 > "$CTL_OUTPUT"; touch "$CTL_ARTIFACTS/made"'
    ended, output = await way.run(
        text, user="nobody", workdir="/", env={"SECRET": ODD}, stdin=b"in"
    )
    home = pwd.getpwnam("nobody").pw_dir
    said = f"nobody\n{home}|nobody|nobody|{ODD}\nin"
    assert output == said.encode("utf-8", "surrogateescape")
    assert (ended.exit_code, ended.outputs) == (0, b"x=1\n")
    assert await way.dialers[0].open(way.server) is not None


@root_only
async def test_a_session_that_opens_does_not_lock_out_another_user_s_work(way: Way) -> None:
    session = await way.open()
    spec = way.spec(
        'sleep 0.5; echo late > "$CTL_ARTIFACTS/made" && echo done', user="nobody", workdir="/"
    )
    await session.start(spec)
    await processes.until(way.running)
    await way.open()
    assert (await session.wait(spec.id)).exit_code == 0
    assert await output_of(session, spec.id) == b"done\n"


@root_only
async def test_another_user_cannot_read_what_others_were_sent(way: Way) -> None:
    session = await way.open()
    spec = way.spec("sleep 20", env={"TOKEN": "hidden"})
    await session.start(spec)
    looking = (
        f"ls {way.base} {way.base}/attempts {way.folder(spec.id)}; cat {way.folder(spec.id)}/*"
    )
    ended, output = await way.run(looking, user="nobody", workdir="/")
    await session.stop(spec.id, grace=0.2)
    assert ended.exit_code != 0
    assert b"hidden" not in output
    assert b"claim" not in output.replace(b"cannot", b"")


@root_only
async def test_a_user_that_is_not_there_is_no_exit_code(way: Way) -> None:
    ended, _ = await way.run("true", user="no-such-user")
    assert ended.ending is Ending.START
    assert "no-such-user" in ended.message


async def test_a_user_who_logs_in_as_himself_need_not_become_anybody(every_way: Way) -> None:
    session = await every_way.open()
    ended, output = await every_way.run("id -un", user=session.facts.login)
    assert (ended.exit_code, output.decode().strip()) == (0, session.facts.login)
    folder = every_way.base / "jobs" / every_way.job
    assert list(folder.glob("*.text")) == []  # nothing was handed over
    probed = await session.probe(ProbeSpec(text=b"id -un", user=session.facts.login))
    assert probed.output.decode().strip() == session.facts.login


async def test_a_fresh_session_is_a_connection_of_its_own(way: Way) -> None:
    shared = await way.open()
    fresh = await way.dialers[-1].fresh(way.server)
    told = ProbeSpec(text=b"true")
    for session in (shared, fresh):
        assert (await session.probe(told)).exit_code == 0
    spec = way.spec("sleep 0.3; echo done")
    await fresh.start(spec)
    await fresh.close()
    assert (await shared.wait(spec.id)).exit_code == 0
    with pytest.raises(SessionLostError):
        await fresh.probe(told)


async def test_a_fresh_session_needs_a_server_that_answers_now(way: Way) -> None:
    shared = await way.open()
    way.server = replace(way.server, ssh=replace(way.server.ssh, port=1), agent=Agent(port=1))
    if way.server.carrier is Carrier.LOCAL:
        pytest.skip("this machine is always reached")
    with pytest.raises(TransportError):
        await way.dialers[-1].fresh(way.server)
    assert (await shared.probe(ProbeSpec(text=b"true"))).exit_code == 0


async def test_variables_may_have_any_name_and_change_nothing_but_the_environment(
    every_way: Way,
) -> None:
    """Those that a runner uses itself, too."""
    names = (
        "user",
        "file",
        "shell",
        "workdir",
        "tools",
        "envs",
        "group",
        "has_setsid",
        "A",
        "J",
        "me",
    )
    text = "".join(f'echo "${name}"; ' for name in names) + "pwd"
    env = {name: f"{name} of mine" for name in names}
    ended, output = await every_way.run(text, env=env, workdir="/")
    assert ended.exit_code == 0, output
    assert output.decode().splitlines() == [*env.values(), "/"]


@root_only
async def test_no_variable_keeps_a_step_from_becoming_its_user(way: Way) -> None:
    env = {"user": "", "to_uid": "0", "to_gid": "0", "tools": "", "PATH": "/usr/bin:/bin"}
    ended, output = await way.run("id -u; id -g", user="nobody", workdir="/", env=env)
    assert (ended.exit_code, output.split()[0]) == (0, b"65534"), output


@root_only
async def test_a_path_of_the_step_gives_nobody_a_program_to_be_run_as_root(
    way: Way, tmp_path: Path
) -> None:
    for name in ("setsid", "setpriv", "su", "runuser"):
        trap = tmp_path / name
        trap.write_text(f"#!/bin/sh\nid -u > {tmp_path}/caught\n")
        trap.chmod(0o755)
    path = f"{tmp_path}:/usr/bin:/bin"
    ended, output = await way.run("id -u", user="nobody", workdir="/", env={"PATH": path})
    assert (ended.exit_code, output) == (0, b"65534\n")
    assert not (tmp_path / "caught").exists()
