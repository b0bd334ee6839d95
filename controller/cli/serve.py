"""`ctl serve`: the controller that stays."""

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final

import typer

from controller.cli.context import Format, Invocation
from controller.cli.doorway import serve_forever
from controller.cli.options import command
from controller.errors import UsageError
from controller.service.options import ConfigSource, Doors, Part, Place, ServeOptions
from controller.service.unit import make_unit
from controller.settings import Papers

app = typer.Typer()

LISTEN: Final = "127.0.0.1:8420"
ALL: Final = "all"
ROLES: Final[Mapping[str, frozenset[Part]]] = {
    ALL: frozenset(Part),
    **{part.value: frozenset({part}) for part in Part},
}
ANONYMOUS: Final = ("none", "status", "full")
PORTS: Final = range(1 << 16)


@command(app, "serve", formats=(Format.TABLE,))
async def serve(
    ctl: Invocation,
    *,
    listen: Annotated[
        str, typer.Option("--listen", metavar="HOST:PORT", help="The API and the page.")
    ] = LISTEN,
    agent_listen: Annotated[
        str | None,
        typer.Option("--agent-listen", metavar="HOST:PORT", help="Take agents that dial, there."),
    ] = None,
    config_repo: Annotated[
        str | None,
        typer.Option("--config-repo", metavar="URL", help="What to carry out; default: from here."),
    ] = None,
    branch: Annotated[
        str | None, typer.Option("--branch", metavar="NAME", help="Of it; default main.")
    ] = None,
    config_key: Annotated[
        Path | None, typer.Option("--config-key", metavar="FILE", help="An ssh key that opens it.")
    ] = None,
    config_token_file: Annotated[
        Path | None,
        typer.Option("--config-token-file", metavar="FILE", help="Holds a token that opens it."),
    ] = None,
    config_known_hosts: Annotated[
        Path | None,
        typer.Option("--config-known-hosts", metavar="FILE", help="Pins its ssh host."),
    ] = None,
    config_verify: Annotated[
        Path | None,
        typer.Option("--config-verify", metavar="FILE", help="Who may sign its commits."),
    ] = None,
    role: Annotated[
        str,
        typer.Option("--role", metavar="all|api|scheduler|worker", help="Which part to be."),
    ] = ALL,
    tls_cert: Annotated[
        Path | None, typer.Option("--tls-cert", metavar="FILE", help="Certificate chain, PEM.")
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option("--tls-key", metavar="FILE", help="Its key, PEM.")
    ] = None,
    allow: Annotated[
        str | None,
        typer.Option(
            "--allow",
            metavar="LIST",
            help="What declarations may touch here: some of env, credential, file, file:/FOLDER, exec, vault, local, file-repos.",
        ),
    ] = None,
    anonymous: Annotated[
        str,
        typer.Option("--anonymous", metavar="none|status|full", help="Readable without a token."),
    ] = "status",
    origin: Annotated[
        list[str] | None,
        typer.Option("--origin", metavar="URL", help="Where browsers see it, behind a proxy."),
    ] = None,
    age_key: Annotated[
        Path | None, typer.Option("--age-key", metavar="FILE", help="Opens age and SOPS files.")
    ] = None,
    pki: Annotated[
        Path | None, typer.Option("--pki", metavar="DIR", help="Certificates towards agents.")
    ] = None,
    parallel: Annotated[
        int, typer.Option("--parallel", min=1, max=10_000, metavar="N", help="Servers at once.")
    ] = 50,
    drain: Annotated[
        bool, typer.Option("--drain", help="When stopped, wait for what runs on servers.")
    ] = False,
    print_unit: Annotated[
        bool, typer.Option("--print-unit", help="Print a systemd unit for exactly this, and end.")
    ] = False,
) -> int:
    """Carry out what the config repository declares, for ever: notice commits and drift, plan, run, tell.

    The first start prints an admin's token, once. SIGTERM stops: what runs on servers goes on and is taken up by the next start;
    a second one stops now.
    """
    doors = Doors(
        api=read_place(listen, "--listen"),
        agents=None if agent_listen is None else read_place(agent_listen, "--agent-listen"),
        certificate=_here(ctl, tls_cert),
        key=_here(ctl, tls_key),
        anonymous=_one_of(anonymous, ANONYMOUS, "--anonymous"),
        origins=tuple(origin or ()),
    )
    if (tls_cert is None) is not (tls_key is None):
        raise UsageError("--tls-cert and --tls-key go together")
    if config_key is not None and config_token_file is not None:
        raise UsageError("--config-key and --config-token-file do not go together")
    options = ServeOptions(
        source=ConfigSource(
            directory=ctl.settings.where.directory,
            url=config_repo,
            branch=branch,
            key=_here(ctl, config_key),
            token_file=_here(ctl, config_token_file),
            known_hosts=_here(ctl, config_known_hosts),
            verify=_here(ctl, config_verify),
        ),
        doors=doors,
        parts=ROLES[_one_of(role, tuple(ROLES), "--role")],
        state=ctl.settings.where.state,
        allow=allow,
        age_key=_here(ctl, age_key),
        papers=ctl.settings.papers if pki is None else Papers(folder=pki),
        parallel=parallel,
        drain=drain,
        debug=ctl.settings.speech.debug,
        actor=ctl.settings.person.actor,
        variables=ctl.surroundings.environment,
        clock=ctl.surroundings.clock,
    )
    if print_unit:
        ctl.print(_unit(options, role))
        return 0
    return await serve_forever(options, say=ctl.terminal.note)


def read_place(text: str, flag: str) -> Place:
    """Read HOST:PORT, with brackets around an IPv6 address.

    Raises:
        UsageError: it is none.
    """
    host, colon, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        host = ""
    if not (host and colon and port.isascii() and port.isdecimal() and int(port) in PORTS):
        raise UsageError(f'{flag} takes HOST:PORT, not "{text}"', hint=f"such as {LISTEN}")
    return Place(host=host, port=int(port))


def _one_of(word: str, words: tuple[str, ...], flag: str) -> str:
    if word not in words:
        raise UsageError(f'{flag} takes one of {", ".join(words)}, not "{word}"')
    return word


def _here(ctl: Invocation, path: Path | None) -> Path | None:
    """Give a path as it is meant: from where the command was typed."""
    return None if path is None else ctl.surroundings.cwd / path.expanduser()


def _unit(options: ServeOptions, role: str) -> str:
    """Write the unit of a controller that is told exactly this."""
    program = shutil.which("ctl", path=options.variables.get("PATH")) or sys.argv[0]
    places = (options.doors.api, options.doors.agents)
    return make_unit(
        ("serve", *words_of(options, role)),
        program=str(Path(program).absolute()),
        name="ctl" if role == ALL else f"ctl-{role}",
        role=role,
        ports=[place.port for place in places if place is not None],
        local="local" in (options.allow or "").split(","),
        credentials=credentials_of(options),
    ).rstrip("\n")


def credentials_of(options: ServeOptions) -> dict[str, Path]:
    """Name the files that hold secrets: the unit's own user cannot read what root keeps to itself."""
    files = {
        "config-key": options.source.key,
        "config-token": options.source.token_file,
        "age-key": options.age_key,
        "tls-key": options.doors.key,
    }
    return {name: path for name, path in files.items() if path is not None}


def words_of(options: ServeOptions, role: str) -> list[str]:
    """Write options as words of a command line that mean the same from anywhere."""
    source, doors = options.source, options.doors
    said: dict[str, object] = {
        "-C": None if source.url else (source.directory or Path.cwd()).absolute(),
        "--state": options.state,
        "--config-repo": source.url,
        "--branch": source.branch,
        "--config-key": source.key,
        "--config-token-file": source.token_file,
        "--config-known-hosts": source.known_hosts,
        "--config-verify": source.verify,
        "--listen": doors.api,
        "--agent-listen": doors.agents,
        "--tls-cert": doors.certificate,
        "--tls-key": doors.key,
        "--anonymous": doors.anonymous,
        "--role": None if role == ALL else role,
        "--allow": options.allow,
        "--age-key": options.age_key,
        "--pki": options.papers.folder,
        "--parallel": options.parallel,
    }
    words = [
        word for name, value in said.items() if value is not None for word in (name, str(value))
    ]
    for origin in doors.origins:
        words += ["--origin", origin]
    return [*words, *(["--drain"] if options.drain else [])]
