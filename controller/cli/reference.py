"""The reference of all verbs as Markdown: `python -m controller.cli.reference > docs/cli.md`.

Made from the commands themselves; a test compares the file with what this gives.
"""

from collections.abc import Iterator

from typer.main import get_command

from controller.cli import exitcodes
from controller.cli.app import PROGRAM, build
from controller.cli.options import SHARED
from controller.cli.reach import TABLE
from controller.cli.verbs import LATER, VERBS

_HEAD = """\
# `ctl`

Made from the program by `python -m controller.cli.reference`; do not edit.

Results go to stdout; progress, questions, hints and errors to stderr. A pipe never carries escape codes. Flags win over the
environment (`CTL_DIR CTL_STATE CTL_CONTROLLER CTL_CONTEXT CTL_TOKEN CTL_TOKEN_FILE CTL_COLOR CTL_NO_INPUT CTL_HINTS CTL_DEBUG`), the
environment over the project, the project over `~/.config/ctl/config.yaml`. `NO_COLOR`, `CLICOLOR_FORCE` and `TERM=dumb` are honoured."""


def reference() -> str:
    """Give the whole reference."""
    return "\n".join(_reference()) + "\n"


def _reference() -> Iterator[str]:
    yield _HEAD
    root = get_command(build(VERBS))
    yield "\n## Global options\n\nBefore the verb or after it; the nearer one wins.\n"
    yield from _options(root, shared=True)
    for name in VERBS:
        yield from _verb(name, getattr(root, "commands", {})[name])
    yield from _reach()
    yield "\n## Exit codes\n"
    yield "| code | `plan`, `status` | `apply`, `run`, `jobs retry`, `jobs attach` |"
    yield "| --- | --- | --- |"
    yield from (f"| {code} | {plan} | {work} |" for code, plan, work in exitcodes.TABLE)
    yield "\n## Known and refused\n"
    yield f"Not supported yet, exit 64: {', '.join(f'`{name}`' for name in LATER)}."


def _reach() -> Iterator[str]:
    yield "\n## With `--controller`\n"
    yield (
        "A controller that serves elsewhere is named by `--controller URL`, `CTL_CONTROLLER`, or a context; `--state` comes before a "
        "context. What each verb then works on:\n"
    )
    yield "| verb | by hand | with `--controller` |"
    yield "| --- | --- | --- |"
    for one in TABLE:
        there = one.there or "the same, on this machine; refused where `--controller` is typed"
        yield f"| {', '.join(f'`{verb}`' for verb in one.verbs)} | {one.here} | {there} |"


def _verb(name: str, command: object) -> Iterator[str]:
    children = getattr(command, "commands", {})
    yield f"\n## `{PROGRAM} {name}`\n"
    if children:
        yield VERBS[name].help
    else:
        yield from _command(command)
    for child, below in children.items():
        yield f"\n### `{PROGRAM} {name} {child}`\n"
        grandchildren = getattr(below, "commands", {})
        yield from [str(getattr(below, "help", ""))] if grandchildren else _command(below)
        for last, deepest in grandchildren.items():
            yield f"\n#### `{PROGRAM} {name} {child} {last}`\n"
            yield from _command(deepest)


def _command(command: object) -> Iterator[str]:
    yield str(getattr(command, "help", ""))
    yield ""
    yield from _arguments(command)
    yield from _options(command, shared=False)


def _arguments(command: object) -> Iterator[str]:
    for parameter in getattr(command, "params", ()):
        if parameter.param_type_name == "argument" and not parameter.hidden:
            shown = parameter.metavar or parameter.name.upper()
            yield f"- `{shown}`: {parameter.help or ''}".rstrip(": ")


def _options(command: object, *, shared: bool) -> Iterator[str]:
    for parameter in getattr(command, "params", ()):
        ours = parameter.name in SHARED
        if parameter.param_type_name != "option" or parameter.hidden or ours is not shared:
            continue
        words = [*parameter.opts, *parameter.secondary_opts]
        value = f" {parameter.metavar}" if parameter.metavar else ""
        yield f"- `{', '.join(words)}{value}`: {parameter.help or ''}"


if __name__ == "__main__":
    print(reference(), end="")
