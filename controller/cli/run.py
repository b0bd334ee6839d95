"""`ctl run`: a declared task, or a target, now."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from controller.cli.apply import Parallel, Timeout
from controller.cli.context import Format, Invocation
from controller.cli.dates import read_duration
from controller.cli.exitcodes import of_report
from controller.cli.options import command
from controller.cli.views.documents import to_json, to_jsonl, to_yaml
from controller.cli.views.job import job_document
from controller.cli.views.report import report_document, report_text
from controller.cli.views.results import results_text
from controller.errors import UsageError
from controller.reconcile.requests import RunReport, RunRequest

app = typer.Typer()
MOST_STDIN = 1 << 20
"""Bytes taken from stdin."""


@command(app, "run", formats=(Format.TABLE, Format.JSON, Format.JSONL, Format.YAML))
async def run(
    ctl: Invocation,
    *,
    task: Annotated[str, typer.Argument(metavar="[TASK]", help="A declared task.")] = "",
    on: Annotated[str | None, typer.Option("--on", metavar="SELECTOR", help="The servers.")] = None,
    target: Annotated[
        str | None,
        typer.Option(
            "--target", metavar="NAME", help="Run a target's task on its servers instead."
        ),
    ] = None,
    param: Annotated[
        list[str] | None,
        typer.Option("-p", "--param", metavar="NAME=VALUE", help="A parameter; repeatable."),
    ] = None,
    outdir: Annotated[
        Path | None, typer.Option("--outdir", metavar="DIR", help="Where file results go.")
    ] = None,
    stdin: Annotated[
        bool, typer.Option("--stdin", help="Hand stdin (at most 1 MiB) to the first step.")
    ] = False,
    detach: Annotated[
        bool, typer.Option("--detach", help="Do not wait; for tasks of one step.")
    ] = False,
    timeout: Timeout = None,  # noqa: ASYNC109  # the word people type
    parallel: Parallel = 50,
    addr: Annotated[str | None, typer.Option("--addr", hidden=True)] = None,
) -> int:
    """Run a declared task on servers now, or a target with --target, and show what it gave back.

    Ctrl-C stops the waiting; what has been started on servers goes on.
    """
    if addr is not None:
        raise UsageError("--addr is not supported yet")
    if bool(task) == bool(target):
        raise UsageError("name a task or a --target", hint="ctl run TASK --on SELECTOR")
    if task and not on:
        raise UsageError("--on is missing: on which servers?", hint=f"ctl run {task} --on SELECTOR")
    request = RunRequest(
        task=task or None,
        target=target,
        on=on,
        params=dict(read_params(param or ())),
        stdin=_stdin(ctl) if stdin else b"",
        outdir=None if outdir is None else ctl.surroundings.cwd / outdir,
        detach=detach,
        timeout=None if timeout is None else read_duration(timeout, flag="--timeout"),
        parallel=parallel,
    )
    with ctl.listen() as listener:
        async with ctl.open(write=True, parallel=parallel, listener=listener) as controller:
            report = await controller.run(request)
    return tell(ctl, report)


def tell(ctl: Invocation, report: RunReport) -> int:
    """Show how a run went and what it gave back, and choose the exit code."""
    match ctl.format:
        case Format.JSON:
            ctl.print(to_json(report_document(report)))
        case Format.YAML:
            ctl.print(to_yaml(report_document(report)))
        case Format.JSONL:
            ctl.print(to_jsonl(job_document(job) for job in report.jobs))
        case _:
            ctl.print(results_text(report, ctl.terminal.style))
            ctl.print(report_text(report, ctl.terminal.style))
    return of_report(report)


def read_params(texts: Iterable[str]) -> Iterable[tuple[str, str]]:
    """Read NAME=VALUE.

    Raises:
        UsageError: there is no `=`, no name, or a name comes twice.
    """
    seen: set[str] = set()
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UsageError(f'-p takes NAME=VALUE, not "{text}"')
        if name in seen:
            raise UsageError(f'-p names "{name}" twice')
        seen.add(name)
        yield name, value


def _stdin(ctl: Invocation) -> bytes:
    stream = getattr(ctl.surroundings.stdin, "buffer", None)
    data: bytes = (
        stream.read(MOST_STDIN + 1)
        if stream is not None
        else ctl.surroundings.stdin.read(MOST_STDIN + 1).encode()
    )
    if len(data) > MOST_STDIN:
        raise UsageError("stdin holds more than 1 MiB", hint="put it in a file the task fetches")
    return data
