"""People see what would run, but not the values of secret parameters."""

from controller.model.ids import Digest
from controller.model.work import StepWork, Work
from controller.planning.commands import commands


def test_commands_are_shown_in_order_with_secret_parameters_masked() -> None:
    work = Work(
        task="t",
        digest=Digest("0" * 64),
        steps=(
            StepWork(name="a", text="login --token hunter22"),
            StepWork(name="b", text="#!/bin/sh\nhunter22", script="scripts/b.sh"),
        ),
        params={"token": "hunter22", "empty": ""},
        masked=("empty", "token"),
    )
    assert commands(work) == ("login --token ********", "script scripts/b.sh")
