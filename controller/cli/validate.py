"""`ctl validate`: every error of every file in one pass."""

from collections.abc import Callable, Mapping
from typing import Annotated, Final

import typer

from controller.cli.context import Format, Invocation
from controller.cli.exitcodes import ExitCode
from controller.cli.options import command
from controller.cli.views.annotations import github, sarif
from controller.cli.views.diagnostics import diagnostics_text, summary_text
from controller.cli.views.documents import to_json, to_jsonl, to_yaml
from controller.model.diagnostic import Severity
from controller.planning.document import diagnostic_document
from controller.reconcile.documents import FORMAT_VERSION
from controller.reconcile.exchange.checks import Validated

app = typer.Typer()


def _document(answer: Validated) -> dict[str, object]:
    return {
        "format_version": FORMAT_VERSION,
        "diagnostics": [diagnostic_document(d) for d in answer.diagnostics],
    }


DOCUMENTS: Final[Mapping[Format, Callable[[Validated], str]]] = {
    Format.JSON: lambda answer: to_json(_document(answer)),
    Format.YAML: lambda answer: to_yaml(_document(answer)),
    Format.JSONL: lambda answer: to_jsonl(diagnostic_document(d) for d in answer.diagnostics),
    Format.SARIF: lambda answer: to_json(sarif(answer.diagnostics)),
    Format.GITHUB: lambda answer: github(answer.diagnostics),
}


@command(app, "validate", formats=(Format.TABLE, *DOCUMENTS))
async def validate(
    ctl: Invocation,
    *,
    paths: Annotated[
        list[str] | None,
        typer.Argument(metavar="[PATH]...", help="Show findings of these files and folders only."),
    ] = None,
) -> int:
    """Read every declaration of the work tree and say everything that is wrong, all at once.

    Exit 1 when there is an error; warnings alone are exit 0.
    """
    async with ctl.open(here=True) as controller:
        here = ctl.surroundings.cwd
        answer = await controller.validate([str(here / path) for path in paths or ()])
    if ctl.format in DOCUMENTS:
        ctl.print(DOCUMENTS[ctl.format](answer))
    else:
        ctl.print(diagnostics_text(answer.diagnostics, answer.sources, ctl.terminal.style))
        ctl.print(summary_text(answer.diagnostics, answer.files))
    wrong = any(d.severity is Severity.ERROR for d in answer.diagnostics)
    if not wrong:
        ctl.next("ctl plan")
    return ExitCode.ERROR if wrong else ExitCode.DONE
