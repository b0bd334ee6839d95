"""The global options, and the decorator that gives them to every verb.

People type them before the verb and after it; the nearer one wins. Used by every module of commands.
"""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Concatenate, Final, ParamSpec

import typer

from controller.cli.context import Format, Invocation, Surroundings, Wishes
from controller.cli.person import own_settings
from controller.cli.reach import REACH, stays_here
from controller.cli.terminal import make_terminal
from controller.cli.verbs import VERBS
from controller.errors import UsageError
from controller.settings import Color, person, resolve

P = ParamSpec("P")
Answer = int | Awaitable[int]
Command = Callable[Concatenate[Invocation, P], Answer]

Directory = Annotated[
    Path | None,
    typer.Option("-C", "--directory", metavar="DIR", help="The config repository."),
]
State = Annotated[
    str | None, typer.Option("--state", metavar="DIR|URL", help="The state; default .ctl/ in it.")
]
ControllerUrl = Annotated[
    str | None,
    typer.Option("--controller", metavar="URL", help="A controller that serves elsewhere."),
]
Output = Annotated[
    str | None, typer.Option("-o", "--output", metavar="FORMAT", help="How results are printed.")
]
ColorWish = Annotated[Color | None, typer.Option("--color", help="Colours: auto, always or never.")]
NoInput = Annotated[bool, typer.Option("--no-input", help="Never ask; fail instead.")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="No progress and no hints.")]
Verbose = Annotated[int, typer.Option("-v", "--verbose", count=True, help="Say more.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks.")]

READING: Final = (Format.TABLE, Format.WIDE, Format.JSON, Format.YAML, Format.NAME, Format.JSONL)
"""What verbs that list things print."""


@dataclass(slots=True, kw_only=True)
class Frame:
    """What lives as long as the process: the surroundings, the words after `--`, and the invocation once there is one."""

    surroundings: Surroundings
    invocation: Invocation | None = None
    rest: tuple[str, ...] = ()


def wishes(
    *,
    directory: Directory = None,
    state_: State = None,
    controller: ControllerUrl = None,
    output: Output = None,
    color: ColorWish = None,
    no_input: NoInput = False,
    quiet: Quiet = False,
    verbose: Verbose = 0,
    debug: Debug = False,
) -> Wishes:
    """Gather the global options; its signature is what every verb gets."""
    return Wishes(
        directory=directory,
        state=state_,
        controller=controller,
        format=None if output is None else _format(output),
        color=color,
        no_input=no_input,
        quiet=quiet,
        verbose=verbose,
        debug=debug,
    )


def _format(text: str) -> Format:
    try:
        return Format(text)
    except ValueError:
        raise UsageError(
            f'unknown output format "{text}"', hint=f"one of {', '.join(Format)}"
        ) from None


SHARED: Final = inspect.signature(wishes).parameters


def settle(frame: Frame, verb: str, typed: Wishes, formats: tuple[Format, ...]) -> Invocation:
    """Make the invocation and keep it in the frame.

    Raises:
        UsageError: the verb has no such output format, or works on this machine whatever controller is named.
    """
    around = frame.surroundings
    own = own_settings(person(around.environment).settings_file)
    settings = resolve(around.environment, flags=typed.flags(), user=own)
    streams = (around.stdin, around.stdout, around.stderr)
    invocation = Invocation(
        verb=verb,
        wishes=typed,
        settings=settings,
        surroundings=around,
        terminal=make_terminal(streams, settings.speech.color, around.environment),
        format=typed.format or Format.TABLE,
        rest=frame.rest,
    )
    frame.invocation = invocation
    if invocation.format not in formats:
        raise UsageError(
            f"ctl {verb} has no output format {invocation.format}",
            hint=f"one of {', '.join(formats)}",
        )
    if typed.controller is not None and stays_here(verb):
        raise UsageError(
            f"ctl {verb} works on {REACH[verb].here}, through no controller",
            hint="leave out --controller",
        )
    return invocation


def command(
    app: typer.Typer,
    name: str,
    *,
    verb: str | None = None,
    formats: tuple[Format, ...] = (Format.TABLE,),
) -> Callable[[Command[P]], Command[P]]:
    """Register a function as the verb `name`; its first argument is the `Invocation`, its answer the exit code.

    Args:
        app: where the verb belongs.
        name: the word people type.
        verb: the whole words, where they are more than `name`.
        formats: what `-o` takes.
    """

    def register(function: Command[P]) -> Command[P]:
        own = list(inspect.signature(function).parameters.values())[1:]

        def entry(ctx: typer.Context, **values: object) -> None:
            frame: Frame = ctx.obj
            shared = {key: values.pop(key) for key in SHARED}
            before = ctx.find_root().params
            typed = wishes(**shared).over(  # type: ignore[arg-type]  # typer checked them
                wishes(**{key: before[key] for key in SHARED if key in before})
            )
            invocation = settle(frame, verb or name, typed, formats)
            answer = function(invocation, **values)  # type: ignore[arg-type, call-arg]  # typer checks
            code = asyncio.run(_wait(answer)) if inspect.isawaitable(answer) else answer
            raise typer.Exit(int(code))

        context = inspect.Parameter(
            "ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context
        )
        parameters = [
            p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in (*own, *SHARED.values())
        ]
        entry.__signature__ = inspect.Signature([context, *parameters])  # type: ignore[attr-defined]
        entry.__annotations__ = {p.name: p.annotation for p in (context, *parameters)}
        entry.__doc__ = function.__doc__
        entry.__module__ = function.__module__
        known = VERBS.get(verb or name)
        app.command(name, short_help=known.help if known else None)(entry)
        return function

    return register


async def _wait(answer: Awaitable[int]) -> int:
    return await answer
