"""The story that `ctl demo` plays: scenes with what they must show, and what happens between them.

Called by `demo`. Data and small actions; nothing here prints.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from controller.cli.staging import Stage
from controller.errors import StateError

SHOWN: Final = "shop/REVISION"
"""What the shop's task leaves in the home folder of a server: the commit that is in force."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One command with its expected exit code and words; `forbidden` must not appear."""

    title: str
    command: tuple[str, ...]
    code: int = 0
    words: tuple[str, ...] = ()
    forbidden: tuple[str, ...] = ("correct-horse-battery", "Traceback")


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """Something that happens between commands; it gives words that the next scene must show."""

    title: str
    act: Callable[[Stage], tuple[str, ...]]


def new_version(stage: Stage) -> tuple[str, ...]:
    """Commit a new version of the application."""
    sha = stage.commit(stage.shop, "shop-team", "Sell umbrellas", app__version_txt="2\n")
    return (sha[:7], "shop-team")


def other_file(stage: Stage) -> tuple[str, ...]:
    """Commit something that no target watches."""
    stage.commit(stage.shop, "shop-team", "Explain the shop", README_md="# The shop\n")
    return ()


def change_by_hand(stage: Stage) -> tuple[str, ...]:
    """Change a file on a server behind git's back."""
    (stage.home("web-2") / SHOWN).write_text("changed by hand\n")
    return ("web-2",)


def deployed(stage: Stage) -> tuple[str, ...]:
    """Look at the servers themselves: both must hold the same commit.

    Raises:
        StateError: they do not.
    """
    found = {(stage.home(name) / SHOWN).read_text().strip() for name in ("web-1", "web-2")}
    if len(found) != 1 or len(found.pop()) != 40:  # noqa: PLR2004
        raise StateError("the servers do not hold the commit that was applied")
    return ()


STORY: Final[tuple[Scene | Turn, ...]] = (
    Scene(title="Are the declarations valid?", command=("validate",), words=("Valid",)),
    Scene(
        title="What would happen, and why?",
        command=("plan", "--detailed-exitcode"),
        code=2,
        words=("+ shop-prod (deploy-shop) on 2 servers", "first time", "pipelines/shop.yaml:", "operations",
               "Plan: 4 to add, 0 to change, 0 to remove, 0 to run on 2 servers"),
    ),
    Scene(title="Do it.", command=("apply", "-y"), words=("Applied: 4 succeeded, 0 failed",)),
    Turn(title="Both servers now hold the commit (looked at directly).", act=deployed),
    Scene(title="Is anything left to do?", command=("plan", "--detailed-exitcode"), words=("No changes.",)),
    Turn(title="The shop team commits a new version of the application.", act=new_version),
    Scene(
        title="The plan names the commit and its author.",
        command=("plan", "--detailed-exitcode"),
        code=2,
        words=("~ shop-prod", "Plan: 0 to add, 2 to change, 0 to remove, 0 to run on 2 servers"),
    ),
    Scene(title="Do it.", command=("apply", "-y"), words=("Applied: 2 succeeded, 0 failed",)),
    Turn(title="Both servers now hold the new commit (looked at directly).", act=deployed),
    Turn(title="Somebody changes a file on web-2 by hand.", act=change_by_hand),
    Scene(
        title="The plan shows drift, apart from changes (exit code 3).",
        command=("plan", "--detailed-exitcode"),
        code=3,
        words=("≠ shop-prod", "1 drifted"),
    ),
    Scene(title="Repair it.", command=("apply", "-y"), words=("Applied: 1 succeeded, 0 failed",)),
    Turn(title="Both servers hold the commit again (looked at directly).", act=deployed),
    Turn(title="The shop team commits a file that no target watches.", act=other_file),
    Scene(title="That runs nothing.", command=("plan", "--detailed-exitcode"), words=("No changes.",)),
    Scene(title="One screen.", command=("status", "--detailed-exitcode"), words=("shop-prod", "in-sync", "ok")),
    Scene(title="Who did what?", command=("logs", "activity"), words=("run-submitted", "job-ended")),
    Scene(title="Which server was reachable when?", command=("logs", "connectivity"), words=("reached", "web-2")),
    Scene(title="Were the logs changed by anyone?", command=("logs", "verify"), words=("the chain holds",)),
)  # fmt: skip
