"""What `ctl agent install` shows: every file it would write, and what came of it.

Called by `agent`. What a server said of itself is shown only as text.
"""

import stat
from collections.abc import Iterator

from controller.cli.views.style import Ink, Style
from controller.cli.views.words import line
from controller.model.safe_text import safe_text
from controller.reconcile.exchange.installs import Installed, RemoteFile, Sight

KEY, PUBLIC = 0o600, 0o644


def outlook_text(server: str, sight: Sight, style: Style) -> str:
    """Show the text of every file, under its path and mode."""
    return "\n".join(_outlook(server, sight, style))


def installed_text(done: Installed) -> str:
    """Say in a line that an agent is there, and where it answers."""
    certificate = ""
    if done.issued is not None:
        certificate = f", certificate until {done.issued.not_after:%Y-%m-%d}"
    if done.address is not None:
        return f"{line(done.server)}: the agent answers at {line(done.address)}{certificate}"
    if done.sight.connect:
        return f"{line(done.server)}: the agent dials {line(done.sight.connect)}{certificate}"
    return f"{line(done.server)}: the agent is installed{certificate}"


def install_document(server: str, sight: Sight, done: Installed | None = None) -> object:
    """Give both to programs."""
    issued = None if done is None else done.issued
    return {
        "format_version": "1.0",
        "server": server,
        "installed": done is not None,
        "address": None if done is None else done.address,
        "connect": sight.connect or None,
        "systemd": sight.systemd,
        "openssl": sight.openssl,
        "certificate": None
        if issued is None
        else {
            "serial": issued.serial,
            "not_after": issued.not_after,
            "key": "here" if issued.key_travelled else "server",
        },
        "files": [
            {"path": one.path, "mode": f"{one.mode:04o}", "text": one.text}
            for one in files_of(server, sight)
        ],
    }


def files_of(server: str, sight: Sight) -> tuple[RemoteFile, ...]:
    """Give every file of an installation, those of the certificate first."""
    keys = (
        RemoteFile(path=f"{sight.keys}/ca.crt", mode=PUBLIC),
        RemoteFile(path=f"{sight.keys}/denied", mode=PUBLIC),
        RemoteFile(path=f"{sight.keys}/{server}.crt", mode=PUBLIC),
        RemoteFile(path=f"{sight.keys}/{server}.key", mode=KEY),
    )
    return (*keys, *sight.files)


def _outlook(server: str, sight: Sight, style: Style) -> Iterator[str]:
    for one in files_of(server, sight):
        mode = stat.filemode(stat.S_IFREG | stat.S_IMODE(one.mode))
        yield style.paint(f"{mode}  {line(one.path)}", Ink.STRONG)
        yield from (f"    {safe_text(text)}".rstrip() for text in one.text.splitlines())
