"""`ctl serve`: the controller that stays."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import typer

from controller.api.proxies import read_network
from controller.cli import serve_flags as flags
from controller.cli.context import Format, Invocation
from controller.cli.doorway import serve_forever
from controller.cli.options import command
from controller.cli.serve_unit import ALL, unit_of, unseen
from controller.errors import UsageError
from controller.service.options import ConfigSource, Doors, Part, Place, ServeOptions
from controller.settings import Papers

app = typer.Typer()

LISTEN: Final = "127.0.0.1:8420"
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
    listen: flags.Listen = LISTEN,
    agent_listen: flags.AgentListen = None,
    config_repo: flags.ConfigRepo = None,
    branch: flags.Branch = None,
    config_key: flags.ConfigKey = None,
    config_token_file: flags.ConfigTokenFile = None,
    config_known_hosts: flags.ConfigKnownHosts = None,
    config_verify: flags.ConfigVerify = None,
    role: flags.Role = ALL,
    tls_cert: flags.TlsCert = None,
    tls_key: flags.TlsKey = None,
    allow: flags.Allow = None,
    anonymous: flags.Anonymous = "status",
    origin: flags.Origin = None,
    proxy: flags.Proxy = None,
    age_key: flags.AgeKey = None,
    pki: flags.Pki = None,
    parallel: flags.Parallel = 50,
    drain: flags.Drain = False,
    print_unit: flags.PrintUnit = False,
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
        debug=ctl.settings.speech.debug,
        proxies=tuple(read_network(one) for one in proxy or ()),
    )
    if (tls_cert is None) is not (tls_key is None):
        raise UsageError("--tls-cert and --tls-key go together")
    if config_key is not None and config_token_file is not None:
        raise UsageError("--config-key and --config-token-file do not go together")
    folder = _here(ctl, pki)
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
        papers=ctl.settings.papers if folder is None else Papers(folder=folder),
        parallel=parallel,
        drain=drain,
        debug=ctl.settings.speech.debug,
        actor=ctl.settings.person.actor,
        variables=ctl.surroundings.environment,
        clock=ctl.surroundings.clock,
    )
    if print_unit:
        ctl.print(unit_of(options, role))
        for path in unseen(options, role):
            ctl.terminal.note(
                f"warning: the unit will not see {path}; keep it elsewhere, as in /opt/ctl"
            )
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
