"""`ctl agent`: the agent itself, its enrolment, and its installation here or on a server from afar.

`run`, `enroll` and `install` without `--on` do what `ctl-agent.pyz` does, with the same words; they need no config repository.
"""

from pathlib import Path
from typing import Annotated, Final

import typer

from controller.agent.main import main
from controller.cli.authority import FOLDER, Days, folder_of
from controller.cli.context import Format, Invocation
from controller.cli.exitcodes import ExitCode
from controller.cli.options import command
from controller.cli.views.agents import install_document, installed_text, outlook_text
from controller.cli.views.documents import to_json, to_yaml
from controller.errors import UsageError
from controller.reconcile.exchange.installs import InstallRequest

app = typer.Typer()

AS_THEY_ARE: Final = {
    "ignore_unknown_options": True,
    "allow_extra_args": True,
    "help_option_names": [],
}
"""Every word after the verb is the agent's own, `--help` among them."""

Setting = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Any setting of the agent; repeatable."),
]


@app.command("run", context_settings=AS_THEY_ARE, short_help="Run the agent.")
def run(ctx: typer.Context) -> None:
    """Run the agent on this machine, with its own settings: --listen HOST:PORT or --connect HOST:PORT; --help tells all."""
    raise typer.Exit(main(["run", *ctx.args]))


@app.command("enroll", context_settings=AS_THEY_ARE, short_help="Get a certificate by a token.")
def enroll(ctx: typer.Context) -> None:
    """Make a key on this machine and get its certificate: --connect HOST:PORT --name NAME --token T --ca-pin P; --help tells all."""
    raise typer.Exit(main(["enroll", *ctx.args]))


@command(app, "install", verb="agent install", formats=(Format.TABLE, Format.JSON, Format.YAML))
async def install(
    ctl: Invocation,
    *,
    on: Annotated[
        str | None, typer.Option("--on", metavar="SERVER", help="A declared server; default: here.")
    ] = None,
    listen: Annotated[
        str | None, typer.Option("--listen", metavar="HOST:PORT", help="Take controllers there.")
    ] = None,
    connect: Annotated[
        str | None, typer.Option("--connect", metavar="HOST:PORT", help="Dial a controller.")
    ] = None,
    proxy: Annotated[
        str | None, typer.Option("--proxy", metavar="HOST:PORT", help="Dial through it.")
    ] = None,
    scripts: Annotated[
        str | None, typer.Option("--scripts", metavar="DIR", help="Offer its executables.")
    ] = None,
    scripts_only: Annotated[
        bool, typer.Option("--scripts-only", help="Refuse everything but these scripts.")
    ] = False,
    settings: Setting = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show every file, and write none.")
    ] = False,
    no_start: Annotated[
        bool, typer.Option("--no-start", help="Write the files only; systemd is not asked.")
    ] = False,
    renew: Annotated[
        bool, typer.Option("--renew", help="A new certificate though the old is good.")
    ] = False,
    days: Days = None,
    place: Annotated[
        Path, typer.Option("--dir", metavar="DIR", help="The authority; default /etc/ctl/pki.")
    ] = FOLDER,
) -> int:
    """Install or upgrade the agent, here or with --on on a server over the way it is reached today.

    With --on the certificate is signed as well; the key is made on the server by its openssl. What is not said stays as it is on
    the server; a new agent listens on 0.0.0.0:9443. Jobs that run go on.
    """
    words = read_words(
        listen=listen, connect=connect, proxy=proxy, scripts=scripts, settings=settings or ()
    )
    words += ["--scripts-only"] if scripts_only else []
    if on is None:
        if renew or days is not None or place != FOLDER:
            raise UsageError("--renew, --days and --dir go with --on: nothing is signed here")
        flags = [*(["--dry-run"] if dry_run else []), *(["--no-start"] if no_start else [])]
        return main(["install", *flags, *words])
    request = InstallRequest(
        server=on,
        authority=folder_of(ctl, place),
        words=tuple(words),
        days=days,
        renew=renew,
        start=not no_start,
    )
    return await (_show if dry_run else _install)(ctl, request)


async def _show(ctl: Invocation, request: InstallRequest) -> int:
    async with ctl.open(here=True) as controller:
        sight = await controller.look_install(request, ctl.note)
    if ctl.document:
        _document(ctl, install_document(request.server, sight))
    else:
        ctl.print(outlook_text(request.server, sight, ctl.terminal.style))
    return ExitCode.DONE


async def _install(ctl: Invocation, request: InstallRequest) -> int:
    async with ctl.open(here=True) as controller:
        done = await controller.install_agent(request, ctl.note)
    if ctl.document:
        _document(ctl, install_document(request.server, done.sight, done))
    else:
        ctl.print(installed_text(done))
    if done.sight.listen:
        ctl.next(
            f"declare {request.server}: {{agent: {{port: {done.sight.listen}}}}} instead of ssh"
        )
    else:
        ctl.next(f"declare {request.server}: {{pull: {{}}}} instead of ssh")
    return ExitCode.DONE


def _document(ctl: Invocation, document: object) -> None:
    ctl.print(to_json(document) if ctl.format is Format.JSON else to_yaml(document))


def read_words(*, settings: list[str] | tuple[str, ...], **named: str | None) -> list[str]:
    """Write settings as words of the agent's command line.

    Raises:
        UsageError: one has no name, no value, or is not for an installation.
    """
    words = [f"--{name}={value}" for name, value in named.items() if value is not None]
    for text in settings:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise UsageError(f'--set takes NAME=VALUE, not "{text}"')
        if name.strip() in {"config", "name"}:
            raise UsageError(f"cannot set {name.strip()} so: the server's name is its name")
        words.append(f"--{name.strip()}={value.strip()}")
    return words
