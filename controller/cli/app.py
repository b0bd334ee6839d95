"""The command line: finds the verb, loads its module only, runs it, and turns what happens into an exit code.

Called by `controller.__main__`; calls the modules that `verbs` names.
"""

import importlib
import inspect
from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from typing import Annotated, Final

import typer
from typer.main import get_command

from controller import __version__
from controller.cli.context import Format, Surroundings
from controller.cli.errors import document, tell, tell_bug
from controller.cli.exitcodes import ExitCode, of_error
from controller.cli.options import SHARED, Frame
from controller.cli.terminal import make_terminal
from controller.cli.verbs import LATER, VERBS
from controller.cli.views.style import Style
from controller.errors import ControllerError, UsageError
from controller.settings import Color

PROGRAM: Final = "ctl"
TAKES_VALUE: Final = frozenset(
    {"-C", "--directory", "--state", "--controller", "-o", "--output", "--color"}
)
EPILOG: Final = "Exit codes: ctl help exit-codes. Environment: CTL_DIR CTL_STATE CTL_CONTROLLER CTL_COLOR CTL_NO_INPUT CTL_HINTS CTL_DEBUG."


def find_verb(argv: Sequence[str]) -> str | None:
    """Give the first word that is neither a global option nor the value of one."""
    words = iter(argv)
    for word in words:
        if word in TAKES_VALUE:
            next(words, None)
        elif not word.startswith("-"):
            return word
    return None


def check_verb(verb: str | None) -> None:
    """Refuse a verb that does not exist, or not yet.

    Raises:
        UsageError: always, for such a verb.
    """
    if verb is None or verb in VERBS:
        return
    if verb in LATER:
        raise UsageError(f"ctl {verb} is not supported yet", hint="ctl --help lists what is")
    near = get_close_matches(verb, VERBS, n=1)
    raise UsageError(
        f'unknown verb "{verb}"',
        hint=f'did you mean "{near[0]}"?' if near else "ctl --help lists all",
    )


def build(verbs: Iterable[str], *, listed: Iterable[str] = ()) -> typer.Typer:
    """Make the application with these verbs only; their modules are imported now.

    Verbs that are only `listed` show in the help and cannot be run: nothing of theirs is imported.
    """
    root = typer.Typer(
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    root.callback(invoke_without_command=True, epilog=EPILOG)(_globals())
    for name in verbs:
        verb = VERBS[name]
        module = importlib.import_module(f"controller.cli.{verb.module}")
        grouped = bool(verb.group)
        root.add_typer(
            module.app,
            name=name if grouped else None,
            help=verb.help if grouped else None,
        )
    for name in listed:
        root.command(name, short_help=VERBS[name].help)(_listed)
    return root


def _listed() -> None:
    """Stand for a verb in the list of verbs."""


def _globals() -> Callable[..., None]:
    """Make the function whose signature is the options before the verb."""

    def before(ctx: typer.Context, *, version: bool, **_values: object) -> None:
        if version:
            print(f"{PROGRAM} {__version__}")
            raise typer.Exit
        if ctx.invoked_subcommand is None:
            print(ctx.get_help())
            raise typer.Exit

    flag = Annotated[bool, typer.Option("--version", help="Print the version.")]
    extra = inspect.Parameter(
        "version", inspect.Parameter.KEYWORD_ONLY, annotation=flag, default=False
    )
    context = inspect.Parameter(
        "ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context
    )
    shared = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in SHARED.values()]
    before.__signature__ = inspect.Signature([context, extra, *shared])  # type: ignore[attr-defined]
    before.__annotations__ = {p.name: p.annotation for p in (context, extra, *shared)}
    before.__doc__ = (
        "Declare servers, tasks and targets in git; see what would happen, and why; do it."
    )
    return before


def run(argv: Sequence[str], surroundings: Surroundings) -> int:
    """Run one command line and give its exit code; nothing escapes but what ends the process."""
    frame = Frame(surroundings=surroundings)
    try:
        verb = find_verb(argv)
        check_verb(verb)
        if verb is not None and VERBS[verb].rest and "--" in argv:
            cut = list(argv).index("--")
            argv, frame.rest = argv[:cut], tuple(argv[cut + 1 :])
        command = get_command(build((), listed=VERBS) if verb is None else build([verb]))
        code = command.main(args=list(argv), prog_name=PROGRAM, standalone_mode=False, obj=frame)
    except ControllerError as error:
        return _fail(frame, error, argv)
    except typer.TyperException as error:
        return _fail(frame, _usage(error, argv), argv)
    except (KeyboardInterrupt, typer.Abort):
        code = int(ExitCode.INTERRUPTED)
    except SystemExit as stop:  # a reader of stdout went away
        code = stop.code
    except Exception as error:  # noqa: BLE001  # the last line of defence: no traceback for people
        debug = _debug(frame, argv)
        surroundings.stderr.write(tell_bug(error, _style(frame), debug=debug) + "\n")
        return int(ExitCode.ERROR)
    if code == ExitCode.INTERRUPTED:
        surroundings.stderr.write("interrupted; what has been started on servers goes on\n")
    return code if isinstance(code, int) else 0


def _usage(error: typer.TyperException, argv: Sequence[str]) -> UsageError:
    """Turn what the parser says into our own words."""
    context = getattr(error, "ctx", None)
    path = getattr(context, "command_path", None) or f"{PROGRAM} {find_verb(argv) or ''}".strip()
    message = error.format_message().rstrip(".")
    return UsageError(message[:1].lower() + message[1:], hint=f"{path} --help")


def _fail(frame: Frame, error: ControllerError, argv: Sequence[str]) -> int:
    stderr = frame.surroundings.stderr
    if frame.invocation is not None and frame.invocation.format in {Format.JSON, Format.JSONL}:
        stderr.write(document(error) + "\n")
    else:
        stderr.write(tell(error, _style(frame)) + "\n")
    if _debug(frame, argv):
        stderr.write(tell_bug(error, _style(frame), debug=True))
    return int(of_error(error))


def _style(frame: Frame) -> Style:
    around = frame.surroundings
    if frame.invocation is not None:
        return frame.invocation.terminal.err_style
    streams = (around.stdin, around.stdout, around.stderr)
    return make_terminal(streams, Color.AUTO, around.environment).err_style


def _debug(frame: Frame, argv: Sequence[str]) -> bool:
    wished = frame.surroundings.environment.get("CTL_DEBUG", "0") not in {"", "0"}
    return wished or "--debug" in argv
