"""What an attempt gets, says and leaves."""

import hashlib
import os
import time
from dataclasses import replace

import pytest

from controller.execution.digest import attempt_digest
from controller.execution.ending import Ending
from controller.execution.errors import DigestError, RefusedError
from controller.execution.spec import Spec
from controller.execution.status import Phase
from tests.execution.room import A1, Room, collect, script

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")


async def test_output_and_exit_code_arrive_exactly(room: Room) -> None:
    executor = await room.enter()
    status = await room.run(
        executor, script(A1, "printf 'a\\377\\000\\n'; echo b >&2; printf c; exit 7")
    )
    assert status.phase is Phase.ENDED
    assert status.end is not None
    said = b"a\xff\x00\nb\nc"
    assert (status.end.ending, status.end.exit_code, status.end.length) == (
        Ending.EXIT,
        7,
        len(said),
    )
    assert status.end.sha256 == hashlib.sha256(said).hexdigest()
    assert await collect(executor, A1) == said


async def test_a_signal_shows_as_the_shell_shows_it(room: Room) -> None:
    executor = await room.enter()
    status = await room.run(executor, script(A1, "kill -SEGV $$"))
    assert status.end is not None
    assert status.end.exit_code == 128 + 11


async def test_the_environment_is_built_from_nothing(
    bare: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEAKED", "yes")
    executor = await bare.enter()
    await bare.run(
        executor, Spec(id=A1, job="job", argv=("env",), env={"MINE": "ä\udcff"}, workdir="/")
    )
    said = await collect(executor, A1)
    names = {line.partition(b"=")[0].decode() for line in said.splitlines()}
    assert names == {
        *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "MINE"),
        *("CTL_OUTPUT", "CTL_ARTIFACTS", "CTL_WORKSPACE", "CTL_MARK"),
    }
    assert b"MINE=\xc3\xa4\xff\n" in said


async def test_no_descriptor_leaks_but_the_text(bare: Room) -> None:
    executor = await bare.enter()
    await bare.run(executor, Spec(id=A1, job="job", argv=("ls", "/proc/self/fd"), workdir="/"))
    assert (await collect(executor, A1)).split() == [
        b"0",
        b"1",
        b"2",
        b"3",
    ]  # 3 is the folder ls reads


async def test_the_text_is_read_by_its_own_first_line_and_is_on_no_disk(bare: Room) -> None:
    executor = await bare.enter()
    text = "#!/usr/bin/env -S sh -e\necho needle-in-text; false; echo no"
    status = await bare.run(executor, script(A1, text))
    assert status.end is not None
    assert (status.end.exit_code, await collect(executor, A1)) == (1, b"needle-in-text\n")
    on_disk = [p for p in bare.folder.rglob("*") if p.is_file() and not p.name.startswith("o.")]
    assert on_disk
    assert not any(b"echo needle" in path.read_bytes() for path in on_disk)


async def test_the_text_cannot_be_changed_by_whoever_runs_it(bare: Room) -> None:
    executor = await bare.enter()
    await bare.run(executor, script(A1, "echo echo changed >/proc/self/fd/100\necho same"))
    assert (await collect(executor, A1)).endswith(b"same\n")


async def test_bytes_on_stdin_arrive_and_end(bare: Room) -> None:
    executor = await bare.enter()
    await bare.run(executor, Spec(id=A1, job="job", argv=("cat",), stdin=b"\x00in\xff" * 50_000))
    assert await collect(executor, A1) == b"\x00in\xff" * 50_000


async def test_a_stream_is_fed_while_it_runs(bare: Room) -> None:
    executor = await bare.enter()
    await bare.start(executor, Spec(id=A1, job="job", argv=("cat",), stream=True))
    await executor.feed(A1, b"one\n")
    await executor.feed(A1, b"x" * 200_000, close=True)
    status = await executor.wait(A1)
    assert status.end is not None
    assert status.end.exit_code == 0
    assert await collect(executor, A1) == b"one\n" + b"x" * 200_000


async def test_what_the_attempt_leaves_as_outputs_is_told_at_its_end(bare: Room) -> None:
    executor = await bare.enter()
    status = await bare.run(
        executor, script(A1, "echo version=3 >$CTL_OUTPUT; echo x >$CTL_ARTIFACTS/x")
    )
    assert status.outputs == b"version=3\n"
    assert executor.artifacts("job").names() == {"x": 2}


async def test_outputs_replaced_by_a_link_tell_nothing(bare: Room) -> None:
    executor = await bare.enter()
    status = await bare.run(executor, script(A1, "ln -sf /etc/passwd $CTL_OUTPUT"))
    assert status.outputs == b""


async def test_what_cannot_be_executed_ends_as_not_started(bare: Room) -> None:
    executor = await bare.enter()
    status = await bare.run(
        executor, Spec(id=A1, job="job", argv=("no-such-program",), workdir="/")
    )
    assert status.end is not None
    assert status.end.ending is Ending.START
    assert "no-such-program" in status.end.message


async def test_a_folder_that_cannot_be_entered_ends_as_not_started(bare: Room) -> None:
    executor = await bare.enter()
    status = await bare.run(executor, Spec(id=A1, job="job", argv=("true",), workdir="/no/such"))
    assert status.end is not None
    assert (status.end.ending, "/no/such" in status.end.message) == (Ending.START, True)


@AS_ROOT
async def test_a_user_is_become_for_good(open_room: Room) -> None:
    executor = await open_room.enter()
    text = "id -u; id -G; touch $CTL_WORKSPACE/mine && echo made; grep -h CapEff /proc/self/status; umask"
    await open_room.run(executor, script(A1, text, user="nobody", umask=0o027))
    uid, groups, made, caps, umask = (await collect(executor, A1)).decode().splitlines()
    assert (uid, made, caps.split()[1], umask) == ("65534", "made", "0" * 16, "0027")
    assert "0" not in groups.split()


@AS_ROOT
async def test_a_user_of_an_attempt_cannot_look_at_those_of_others(open_room: Room) -> None:
    executor = await open_room.enter()
    await open_room.run(executor, script(A1, "echo secret; echo k=v >$CTL_OUTPUT"))
    text = f"cat {open_room.folder}/attempts/{A1}/* {open_room.folder}/jobs/job/{A1}.output {open_room.folder}/ledger; ls {open_room.folder}"
    await open_room.run(executor, replace(script("b.1", text, user="nobody"), job="other"))
    said = await collect(executor, "b.1")
    assert b"secret" not in said
    assert b"k=v" not in said
    assert said.count(b"ermission denied") >= 3


async def test_a_user_that_is_not_here_ends_as_not_started(bare: Room) -> None:
    executor = await bare.enter()
    status = await bare.run(executor, Spec(id=A1, job="job", argv=("true",), user="no-such-user"))
    assert status.end is not None
    assert (status.end.ending, "no such user" in status.end.message) == (Ending.START, True)


async def test_only_what_was_planned_is_accepted(bare: Room) -> None:
    executor = await bare.enter()
    planned = script(A1, "echo planned", env={"NAME": "value"}, salt=b"salt")
    digest = attempt_digest(planned)
    for changed in (
        replace(planned, text=b"echo changed"),
        replace(planned, env={"NAME": "other"}),
        replace(planned, env={"OTHER": "value"}),
        replace(planned, user="root"),
        replace(planned, files={"a": b""}),
    ):
        with pytest.raises(DigestError, match="arrived"):
            await executor.accept(replace(changed, digest=digest))
    assert executor.status(A1).phase is Phase.NONE
    assert (await executor.accept(replace(planned, digest=digest))).fresh


@pytest.mark.parametrize("name", ["", "..", "a/b", ".hidden", "a\0", "x" * 200, "a\n"])
async def test_an_id_is_a_plain_name(bare: Room, name: str) -> None:
    executor = await bare.enter()
    with pytest.raises(RefusedError, match="as an id"):
        await executor.accept(replace(script(A1, "true"), id=name))


async def test_files_are_laid_into_the_workspace_before_the_start(bare: Room) -> None:
    executor = await bare.enter()
    await bare.run(
        executor, script(A1, "cat $CTL_WORKSPACE/deep/er/f", files={"deep/er/f": b"laid"})
    )
    assert await collect(executor, A1) == b"laid"
    assert executor.workspace("job").names() == {"deep/er/f": 4}


async def test_input_too_large_for_memory_is_read_from_a_file(bare: Room) -> None:
    executor = await bare.enter()
    content = b"%d\n" * 10
    file = bare.folder.parent / "input"
    file.write_bytes(content)
    summed = hashlib.sha256(content).hexdigest()
    asked = script(A1, "sleep 0.2; cat", stdin_path=str(file), stdin_sha256=summed)
    assert attempt_digest(asked) == attempt_digest(script(A1, "sleep 0.2; cat", stdin=content))
    await bare.start(executor, asked)
    file.unlink()
    await executor.wait(A1)
    assert await collect(executor, A1) == content
    with pytest.raises(RefusedError):
        await executor.accept(script(f"{A1}.2", "cat", stdin_path=str(file)))


async def test_arguments_come_behind_the_text(bare: Room) -> None:
    executor = await bare.enter()
    await bare.run(executor, script(A1, 'printf "%s|" "$@"', arguments=("a b", "", "-c")))
    assert await collect(executor, A1) == b"a b||-c|"


def test_arguments_are_part_of_the_digest_and_owners_are_not() -> None:
    plain = script(A1, "true")
    assert attempt_digest(replace(plain, owner="somebody")) == attempt_digest(plain)
    assert attempt_digest(replace(plain, arguments=("x",))) != attempt_digest(plain)
    assert attempt_digest(replace(plain, arguments=("x",))) != attempt_digest(
        replace(plain, argv=("x",))
    )


async def test_a_list_of_attempts_tells_whose_each_is_and_when(bare: Room) -> None:
    executor = await bare.enter()
    began = time.time()
    await bare.run(executor, script(A1, "sleep 0.05", owner="one"))
    await executor.accept(script(f"{A1}.2", "true", owner="two"))
    await bare.leave(executor)
    executor = await bare.enter()
    await bare.run(executor, script(f"{A1}.3", "true"))
    await executor.discard([f"{A1}.3"])
    first, second = executor.attempts()
    assert (first.id, first.job, first.owner, first.phase) == (A1, "job", "one", Phase.ENDED)
    assert began <= first.accepted_at <= first.started_at <= first.ended_at - 0.05
    assert first.ended_at <= time.time()
    assert (second.owner, second.phase, second.started_at) == ("two", Phase.ENDED, 0.0)
    assert second.ended_at > first.ended_at
    status = executor.status(A1)
    assert (status.owner, status.job) == ("one", "job")
    assert (status.started_at, status.ended_at) == (first.started_at, first.ended_at)
