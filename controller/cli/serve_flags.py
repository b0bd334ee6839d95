"""The flags of `ctl serve`, in the order of its help.

Used by `serve`. A new flag also needs its place in the options of the service, and its words in `serve_unit`.
"""

from pathlib import Path
from typing import Annotated

import typer

# The doors.
Listen = Annotated[str, typer.Option("--listen", metavar="HOST:PORT", help="The API and the page.")]
AgentListen = Annotated[
    str | None,
    typer.Option("--agent-listen", metavar="HOST:PORT", help="Take agents that dial, there."),
]
TlsCert = Annotated[
    Path | None, typer.Option("--tls-cert", metavar="FILE", help="Certificate chain, PEM.")
]
TlsKey = Annotated[Path | None, typer.Option("--tls-key", metavar="FILE", help="Its key, PEM.")]
Anonymous = Annotated[
    str,
    typer.Option("--anonymous", metavar="none|status|full", help="Readable without a token."),
]
Origin = Annotated[
    list[str] | None,
    typer.Option("--origin", metavar="URL", help="Where browsers see it, behind a proxy."),
]
Proxy = Annotated[
    list[str] | None,
    typer.Option(
        "--proxy",
        metavar="ADDRESS",
        help="A proxy, or a network of them, whose last word of X-Forwarded-For is believed.",
    ),
]

# The config repository.
ConfigRepo = Annotated[
    str | None,
    typer.Option("--config-repo", metavar="URL", help="What to carry out; default: from here."),
]
Branch = Annotated[
    str | None, typer.Option("--branch", metavar="NAME", help="Of it; default main.")
]
ConfigKey = Annotated[
    Path | None, typer.Option("--config-key", metavar="FILE", help="An ssh key that opens it.")
]
ConfigTokenFile = Annotated[
    Path | None,
    typer.Option("--config-token-file", metavar="FILE", help="Holds a token that opens it."),
]
ConfigKnownHosts = Annotated[
    Path | None,
    typer.Option("--config-known-hosts", metavar="FILE", help="Pins its ssh host."),
]
ConfigVerify = Annotated[
    Path | None,
    typer.Option("--config-verify", metavar="FILE", help="Who may sign its commits."),
]

# What it is, and what it may.
Role = Annotated[
    str, typer.Option("--role", metavar="all|api|scheduler|worker", help="Which part to be.")
]
Allow = Annotated[
    str | None,
    typer.Option(
        "--allow",
        metavar="LIST",
        help="What declarations may touch here: some of env, credential, file, file:/FOLDER, exec, vault, local, file-repos.",
    ),
]
AgeKey = Annotated[
    Path | None, typer.Option("--age-key", metavar="FILE", help="Opens age and SOPS files.")
]
Pki = Annotated[
    Path | None,
    typer.Option(
        "--pki", metavar="DIR", help="Certificates towards agents; people may come by theirs."
    ),
]
Parallel = Annotated[
    int, typer.Option("--parallel", min=1, max=10_000, metavar="N", help="Servers at once.")
]
Drain = Annotated[
    bool, typer.Option("--drain", help="When stopped, wait for what runs on servers.")
]
PrintUnit = Annotated[
    bool, typer.Option("--print-unit", help="Print a systemd unit for exactly this, and end.")
]
