"""People see what would run, but not the values of secret parameters."""

from controller.model.files import CheckoutWork, FileWork
from controller.model.ids import Digest, Sha
from controller.model.work import StepKind, StepWork, Work
from controller.planning.commands import commands


def test_commands_are_shown_in_order_with_secret_parameters_masked() -> None:
    work = Work(
        task="t",
        digest=Digest("0" * 64),
        steps=(
            StepWork(name="a", text="login --token hunter22"),
            StepWork(name="b", text="#!/bin/sh\nhunter22", script="scripts/b.sh"),
            StepWork(name="c", text="#!/bin/sh\nlong", uses="http-check"),
            StepWork(name="d", text="", uses="script/uptime"),
        ),
        params={"token": "hunter22", "empty": ""},
        masked=("empty", "token"),
    )
    named = ("script scripts/b.sh", "uses http-check", "uses script/uptime")
    assert commands(work) == ("login --token ********", *named)


def test_what_is_delivered_and_the_health_check_are_told_by_name() -> None:
    work = Work(
        task="t",
        digest=Digest("0" * 64),
        steps=(
            StepWork(name="_confirm", text="./revert.sh", kind=StepKind.CONFIRM),
            StepWork(name="_checkout", text="", kind=StepKind.CHECKOUT),
            StepWork(name="_files", text="", kind=StepKind.FILES),
            StepWork(name="go", text="restart"),
            StepWork(name="_health", text="curl localhost", kind=StepKind.HEALTH),
        ),
        checkout=CheckoutWork(path="/srv/shop"),
        files=tuple(FileWork(path=path, content=b"") for path in ("/etc/a", "/etc/b")),
    )
    told = ("checkout /srv/shop at abcdef1", "write /etc/a", "write /etc/b", "restart")
    assert commands(work, Sha("abcdef1" + "0" * 33)) == (*told, "health: curl localhost")
    assert commands(work)[0] == "checkout /srv/shop"
