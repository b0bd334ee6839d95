"""Work that nobody declared: what a person types is run as typed, and nothing of it is read twice."""

import shlex
import subprocess

import pytest
from hypothesis import given, strategies as st

from controller.errors import (
    NeedsAgentError,
    NotFoundError,
    TransportError,
    Unreachable,
    UsageError,
)
from controller.model.task import Limits, Result, ResultType
from controller.model.work import offered_script
from controller.reconcile.agents.offers import chosen, undeclared
from controller.reconcile.carrying.adhoc import LONGEST, command_work, script_work
from controller.reconcile.exchange.answers import ServerOffers
from controller.reconcile.exchange.requests import Address
from controller.transport.port import ServerScript

WORDS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)


def command(*words: str) -> str:
    return command_work(words, user=None, limits=Limits(), interactive=False).steps[0].text


@given(st.lists(WORDS, min_size=2, max_size=4).filter(lambda words: bool(words[0].strip())))
def test_several_words_reach_the_program_exactly_as_they_were_typed(words: list[str]) -> None:
    assert shlex.split(command(*words)) == words


def test_one_word_is_a_text_for_the_shell() -> None:
    assert command("echo a b | wc -w") == "echo a b | wc -w"


def test_several_words_are_never_expanded_by_the_shell_that_runs_them() -> None:
    text = command("printf", "%s", "$(id) `id` * ~")
    ran = subprocess.run(["sh", "-c", text], capture_output=True, check=True)
    assert ran.stdout == b"$(id) `id` * ~"


@pytest.mark.parametrize("words", [(), ("",), ("  ",), ("a\0b",), ("x" * (LONGEST + 1),)])
def test_what_is_no_command_is_refused(words: tuple[str, ...]) -> None:
    with pytest.raises(UsageError):
        command(*words)


def test_a_script_is_held_to_what_the_server_said_of_it() -> None:
    known = ServerScript(
        name="dump",
        sha256="ab" * 32,
        result=Result(type=ResultType.FILE, path="/var/tmp/a dump.tar"),
    )
    work = script_work(
        "dump", known, params={"day": "1"}, user=None, limits=Limits(), interactive=False
    )
    assert offered_script(work.steps[0]) == "dump"
    assert work.steps[0].script_digest == "ab" * 32
    assert work.result == Result(type=ResultType.FILE, path="/var/tmp/a dump.tar", artifact=True)


def test_equal_work_has_one_digest_and_other_arguments_another() -> None:
    def digest(*arguments: str) -> str:
        return script_work(
            "dump",
            None,
            arguments=arguments,
            params={},
            user=None,
            limits=Limits(),
            interactive=False,
        ).digest

    assert digest("a") == digest("a") != digest("b")


def offering(*names: str, problem: str = "") -> ServerOffers:
    scripts = tuple(ServerScript(name=name, problem=problem) for name in names)
    return ServerOffers(server="web-1", scripts=scripts)


AWAY = ServerOffers(
    server="web-2", trouble=TransportError("cannot reach web-2", cause=Unreachable.TCP)
)
BARE = ServerOffers(server="web-3", trouble=NeedsAgentError("cannot list"))


def test_a_server_that_does_not_answer_says_so_by_its_job() -> None:
    chosen([offering("dump"), AWAY], "dump", declared=())


def test_what_a_server_does_not_offer_is_sent_where_it_has_an_agent() -> None:
    chosen([offering("other"), AWAY], "dump", declared=(), sent=True)
    with pytest.raises(NeedsAgentError, match="web-3 by its name"):
        chosen([BARE], "dump", declared=(), sent=True)
    with pytest.raises(UsageError, match="it is a link"):
        chosen([offering("dump", problem="is a link")], "dump", declared=(), sent=True)


@pytest.mark.parametrize(
    ("found", "error", "words"),
    [
        ([offering("other")], NotFoundError, "web-1 offers no such script"),
        ([offering("dump"), BARE], NotFoundError, "web-3 has no agent"),
        ([offering("dump", problem="is a link")], UsageError, "it is a link"),
    ],
)
def test_nothing_runs_where_one_server_cannot_run_it(
    found: list[ServerOffers], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        chosen(found, "dump", declared=())


def test_a_mistyped_task_is_told_the_nearest_name() -> None:
    with pytest.raises(NotFoundError) as caught:
        chosen([BARE], "uptme", declared=("uptime",))
    assert "uptime" in str(caught.value.hint)


def test_an_undeclared_agent_must_carry_the_host_that_was_typed() -> None:
    server = undeclared(Address(host="db-1", port=9555))
    assert (server.name, server.address, server.agent.port) == ("db-1", "db-1", 9555)
