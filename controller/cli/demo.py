"""`ctl demo`: the main job on real servers, in under a minute; every scene is checked against what it must show."""

import subprocess
import sys
from typing import Annotated

import typer

from controller.cli.context import Format, Invocation
from controller.cli.exitcodes import ExitCode
from controller.cli.options import command
from controller.cli.staging import Stage, stage
from controller.cli.story import STORY, Scene, Turn
from controller.errors import StateError

app = typer.Typer()
SCENE_SECONDS = 60.0


@command(app, "demo", formats=(Format.TABLE,))
async def demo(
    ctl: Invocation,
    *,
    keep: Annotated[
        bool,
        typer.Option("--keep", help="Leave servers and repositories up, and say how to use them."),
    ] = False,
) -> int:
    """Show the whole walk: two ssh servers on loopback, plan, apply, a commit, drift, repair, logs.

    Needs no root and changes nothing outside its own folder. Exit 1 when anything is not as told.
    """
    play(ctl, keep=keep)
    return ExitCode.DONE


def play(ctl: Invocation, *, keep: bool) -> None:
    """Play the story from its first scene to its last."""
    with stage(keep=keep) as made:
        kinds = ", ".join(f"{s.name} on 127.0.0.1:{s.port} ({s.kind})" for s in made.servers)
        ctl.print(f"Two ssh servers: {kinds}")
        expected: tuple[str, ...] = ()
        for part in STORY:
            ctl.print(f"\n# {part.title}")
            match part:
                case Turn():
                    expected = part.act(made)
                case Scene():
                    show(ctl, made, part, expected)
                    expected = ()
        ctl.print("\nEverything was as told.")
        if keep:
            ctl.print(how_to_use(made))


def show(ctl: Invocation, made: Stage, scene: Scene, expected: tuple[str, ...]) -> None:
    """Run one command, show what it says, and compare that with what it must say.

    Raises:
        StateError: it said or did something else.
    """
    ctl.print(f"$ ctl {' '.join(scene.command)}")
    done = subprocess.run(
        [sys.executable, "-m", "controller", "-C", str(made.config), *scene.command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        env=made.variables(ctl.surroundings.environment),
        text=True,
        encoding="utf-8",
        timeout=SCENE_SECONDS,
        check=False,
    )
    ctl.print(done.stdout.rstrip())
    missing = [word for word in (*scene.words, *expected) if word not in done.stdout]
    wrong = [word for word in scene.forbidden if word in done.stdout]
    if done.returncode != scene.code or missing or wrong:
        raise StateError(
            f"the demo is not as told: ctl {scene.command[0]} ended with {done.returncode} "
            f"instead of {scene.code}; missing {missing}, unwanted {wrong}"
        )


def how_to_use(made: Stage) -> str:
    """Say how to go on with a stage that was kept."""
    pids = " ".join(str(server.process.pid) for server in made.servers)
    return (
        "\nKept. Try:\n"
        f"  export SHOP_DB_PASSWORD=correct-horse-battery\n"
        f"  {sys.executable} -m controller -C {made.config} plan\n"
        f"  edit {made.config}/pipelines/shop.yaml, or commit in {made.shop}\n"
        f"When you are done: kill {pids} && rm -r {made.folder}"
    )
