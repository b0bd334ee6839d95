"""What an agent answers, it answers on the oldest Python that servers have, and on nothing but its standard library."""

import ast
import subprocess
from pathlib import Path

import pytest

import controller.agent
from tests.execution.test_oldest_python import oldest

pytestmark = pytest.mark.real
ROOM = Path(controller.agent.__file__).parent
ALL = """
import asyncio, sys
from controller.agent.answering import Answers
from controller.agent.asker import Asker
from controller.agent.settings import Settings
from controller.wire.messages.attempts import RunScript, Start, WaitAttempt
from controller.wire.messages.files import Probe
from controller.wire.messages.server import GetReport
from controller.wire.messages.targets import ClaimTarget, Holder, ReadLocks

folder = sys.argv[1]
settings = Settings(state=folder + "/state", base=folder + "/base", scripts=folder + "/scripts")

async def main():
    answers = Answers(settings)
    await answers.open()
    who = Asker(name="main", role="controller", serial="1", session="s")
    ask = lambda message: answers.answer(who, message, None)
    holder = Holder(run="r", who="w", controller="c", boot_id="b", since=1e9)
    claim = ClaimTarget(project="p", target="t", holder=holder, expect=None, marker=b"x")
    print((await ask(claim)).taken, (await ask(ReadLocks(project="p"))).locks == {"t": holder})
    for n in range(3):
        await ask(Start(id=f"j.{n}", job="j", text=b"echo hi; exit 3", workdir="/"))
    print((await ask(WaitAttempt(attempt="j.2"))).exit_code)
    print(await ask(Probe(text=b"echo up; sleep 5", timeout=0.3)))
    await ask(RunScript(id="s.1", job="s", name="say", arguments=("hello",), workdir="/"))
    await ask(WaitAttempt(attempt="s.1"))
    print((await ask(GetReport(attempt="s.1"))).result)
    answers.left("s")
    await answers.drain()
    await answers.close()

asyncio.run(main())
"""


@pytest.mark.parametrize("source", sorted(ROOM.glob("*.py")), ids=lambda path: str(path.name))
def test_its_grammar_is_that_of_the_oldest_python(source: Path) -> None:
    ast.parse(source.read_text(), feature_version=(3, 9))


def test_everything_is_answered_on_it(tmp_path: Path) -> None:
    scripts = tmp_path / "scripts"
    scripts.mkdir(mode=0o755)
    (scripts / "say").write_text("echo $1")
    (scripts / "say").chmod(0o755)
    ran = subprocess.run(
        [oldest(), "-W", "error", "-c", ALL, str(tmp_path)],
        check=False,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(ROOM.parents[1])},
    )
    probed = "Probed(exit_code=124, timed_out=True, output=b'up\\n')"
    assert (ran.stdout, ran.stderr) == (f"True True\n3\n{probed}\nb'hello\\n'\n", "")
