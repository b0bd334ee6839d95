"""How people name jobs and steps, and how one job is shown. Used by the modules of `ctl jobs`."""

from typing import Annotated, BinaryIO, Final

import typer

from controller.cli.context import Format, Invocation
from controller.cli.views.documents import to_json, to_yaml
from controller.cli.views.job import job_text
from controller.errors import UsageError
from controller.model.job import Job
from controller.reconcile.documents import job_document

JobWord = Annotated[str, typer.Argument(metavar="JOB", help="A unique prefix of its id, or @last.")]
StepWord = Annotated[str | None, typer.Option("--step", metavar="NAME", help="This step only.")]
Raw = Annotated[
    bool,
    typer.Option("--raw", help="The bytes as they are (secrets masked); not to a terminal."),
]
ONE: Final = (Format.TABLE, Format.JSON, Format.YAML)


def show_job(ctl: Invocation, job: Job) -> None:
    """Show one job."""
    match ctl.format:
        case Format.JSON:
            ctl.print(to_json(job_document(job)))
        case Format.YAML:
            ctl.print(to_yaml(job_document(job)))
        case _:
            ctl.print(job_text(job, ctl.terminal.style))


def raw_stream(ctl: Invocation, *, verb: str) -> BinaryIO:
    """Give the stream that takes bytes.

    Raises:
        UsageError: stdout is a terminal, or takes no bytes.
    """
    binary: BinaryIO | None = getattr(ctl.terminal.out, "buffer", None)
    if binary is None or ctl.terminal.out.isatty():
        raise UsageError("--raw does not write to a terminal", hint=f"ctl {verb} JOB --raw > FILE")
    return binary
