"""`ctl run`: a declared task, a target, a script of the servers, or a typed command, now."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from controller.cli.agents import Addr, On, PkiFolder, one_way, read_limits
from controller.cli.apply import Parallel, Timeout
from controller.cli.context import Format, Invocation
from controller.cli.dates import read_duration
from controller.cli.exitcodes import of_report
from controller.cli.options import command
from controller.cli.views.documents import to_json, to_jsonl, to_yaml
from controller.cli.views.report import report_document, report_text
from controller.cli.views.results import results_text
from controller.errors import UsageError
from controller.reconcile.documents import job_document
from controller.reconcile.exchange.reports import RunReport
from controller.reconcile.exchange.requests import RunRequest

app = typer.Typer()
MOST_STDIN = 1 << 20
"""Bytes taken from stdin."""


@command(app, "run", formats=(Format.TABLE, Format.JSON, Format.JSONL, Format.YAML))
async def run(
    ctl: Invocation,
    *,
    task: Annotated[
        str,
        typer.Argument(metavar="[TASK]", help="A declared task, or a script the servers offer."),
    ] = "",
    on: On = None,
    addr: Addr = None,
    pki: PkiFolder = None,
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
    as_: Annotated[
        str | None,
        typer.Option("--as", metavar="USER", help="Run a command or script as this user."),
    ] = None,
    limit: Annotated[
        list[str] | None,
        typer.Option(
            "-l", "--limit", metavar="NAME=VALUE", help="Bound a command: cpu, memory, pids, io."
        ),
    ] = None,
    outdir: Annotated[
        Path | None, typer.Option("--outdir", metavar="DIR", help="Where file results go.")
    ] = None,
    stdin: Annotated[
        bool, typer.Option("--stdin", help="Hand stdin (at most 1 MiB) to the first step.")
    ] = False,
    interactive: Annotated[
        bool,
        typer.Option(
            "-i",
            "--interactive",
            help="Keep the input of the first step open for ctl jobs attach; needs agents.",
        ),
    ] = False,
    detach: Annotated[
        bool, typer.Option("--detach", help="Do not wait; for tasks of one step.")
    ] = False,
    timeout: Timeout = None,  # noqa: ASYNC109  # the word people type
    parallel: Parallel = 50,
) -> int:
    """Run a declared task on servers now, a script they offer, a target with --target, or the command after --.

    A command of one word is a text for sh; of several, it is run as it is. After the name of a script, words after -- are its
    arguments. Ctrl-C stops the waiting; what has been started on servers goes on.
    """
    _check_choice(ctl, task, target)
    if target is not None and addr is not None:
        raise UsageError("a --target has its own servers", hint="leave out --addr")
    address = one_way(on, addr) if target is None else None
    request = RunRequest(
        task=task or None,
        target=target,
        on=on,
        address=address,
        words=ctl.rest,
        user=as_,
        limits=read_limits(limit or ()),
        params=dict(read_params(param or ())),
        stdin=_stdin(ctl) if stdin else b"",
        outdir=None if outdir is None else ctl.surroundings.cwd / outdir,
        interactive=interactive,
        detach=detach,
        timeout=None if timeout is None else read_duration(timeout, flag="--timeout"),
        parallel=parallel,
    )
    if interactive and not detach:
        ctl.note("type for it on another terminal: ctl jobs attach @last")
    with ctl.listen() as listener:
        async with ctl.open(
            write=True, bare=address is not None, pki=pki, parallel=parallel, listener=listener
        ) as controller:
            report = await controller.run(request)
    return tell(ctl, report)


def _check_choice(ctl: Invocation, task: str, target: str | None) -> None:
    """See that exactly one thing is to be run.

    Raises:
        UsageError: nothing is, or more than one.
    """
    if target is not None and (task or ctl.rest):
        raise UsageError(
            "a --target is run alone", hint="leave out the task and the words after --"
        )
    if not task and target is None and not ctl.rest:
        raise UsageError(
            "name a task, a --target, or a command after --",
            hint="ctl run TASK --on SELECTOR, or ctl run --on SELECTOR -- uptime",
        )


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
