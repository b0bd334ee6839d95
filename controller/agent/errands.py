"""What a controller has done on a server that has no agent yet: look, make a request, install.

A controller sends the packed agent and an order, as JSON, to the server's Python (`RUN_PACKED`), over whatever carrier it has.
Each line that comes back is a JSON object: `say` tells of a step, `answer` ends an errand, `failed` tells why it could
not be done. Nothing of an order ever stands in a command line.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import cast

from controller.agent import openssl
from controller.agent.compiling import compile_agent
from controller.agent.errors import AgentError, InstallError
from controller.agent.installing import Outlook, Wish, check_here, install, look_ahead
from controller.agent.keyfolder import KeyFolder, open_keys
from controller.agent.systemd import find_systemd
from controller.agent.writing import File

RUN_PACKED = b"""\
import os, sys, tempfile
given = sys.stdin.buffer.read()
size = int.from_bytes(given[:8], "big")
with tempfile.TemporaryDirectory(prefix="ctl-agent-") as folder:
    packed = os.path.join(folder, "ctl-agent.pyz")
    with open(packed, "xb") as file:
        file.write(given[8 : 8 + size])
    sys.path.insert(0, packed)
    from controller.agent.errands import run
    code = run(given[8 + size :], given[8 : 8 + size])
sys.exit(code)
"""
"""The program that takes the packed agent and an order on its stdin: eight bytes of length, the agent, the order."""
FAILED = 1
Tell = Callable[[Mapping[str, object]], None]
Order = Mapping[str, object]


def run(given: bytes, packed: bytes) -> int:
    """Do one errand; give the exit code.

    Args:
        given: the order.
        packed: the packed agent that does it.
    """
    try:
        order = cast("Order", json.loads(given))
        answer = ERRANDS[_text(order, "errand")](order, packed)
    except AgentError as error:
        _tell({"failed": error.reference, "message": error.message, "hint": error.hint or ""})
        return FAILED
    _tell({"answer": answer})
    return 0


def _look(order: Order, packed: bytes) -> Order:
    """Say what is here, without changing anything."""
    outlook = _outlook(order, b"")
    keys = outlook.settings.pki
    certificate = None
    if Path(keys).is_dir():
        folder = open_keys(keys, outlook.settings.name)
        certificate = folder.certificate()
        folder.close()
    listen = outlook.settings.listen
    return {
        "root": os.geteuid() == 0,
        "openssl": openssl.find() is not None,
        "systemd": find_systemd().version,
        "runs": find_systemd().runs,
        "certificate": (certificate or b"").decode("ascii", "replace"),
        "pki": keys,
        "listen": listen.port if listen else 0,
        "host": listen.host if listen else "",
        "connect": str(outlook.settings.connect or ""),
        "files": [_shown(file) for file in outlook.files],
    }


def _request(order: Order, packed: bytes) -> Order:
    """Make a key and a request; the key stays here."""
    outlook = _outlook(order, b"")
    folder = open_keys(outlook.settings.pki, outlook.settings.name)
    try:
        return {"request": folder.request().decode("ascii")}
    finally:
        folder.close()


def _install(order: Order, packed: bytes) -> Order:
    """Write what makes an agent, certificate first, and start it."""
    start = order.get("start") is True
    check_here(find_systemd(), start=start)
    outlook = _outlook(order, compile_agent(packed))
    folder = open_keys(outlook.settings.pki, outlook.settings.name)
    try:
        _certify(order, folder)
    finally:
        folder.close()
    for line in install(outlook, start=start):
        _tell({"say": line})
    return {"units": list(outlook.units)}


def _certify(order: Order, folder: KeyFolder) -> None:
    """Take what the controller signed, and whom it trusts and denies."""
    authority, key = _text(order, "authority").encode(), _text(order, "key")
    certificate, denied = _text(order, "certificate"), _text(order, "denied")
    if key:
        folder.stage_key(key.encode())
    if certificate and folder.certificate() != certificate.encode():
        folder.adopt(certificate.encode(), authority)
        _tell({"say": f"wrote {folder.path}/{folder.name}.crt"})
    elif folder.certificate() is None:
        raise InstallError(f"cannot find a certificate in {folder.path}", hint="run it again")
    folder.trust(authority)
    if denied:
        folder.deny(denied.encode())


def _outlook(order: Order, program: bytes) -> Outlook:
    wish = Wish(
        words=_words(order, "words"), usual=_words(order, "usual"), python=_text(order, "python")
    )
    return look_ahead(wish, find_systemd(), program)


def _shown(file: File) -> Order:
    """Describe a file that would be written; programs are not shown."""
    text = file.content.decode("utf-8", "replace") if file.path[-4:] != ".pyz" else ""
    return {"path": file.path, "mode": file.mode, "text": text}


def _text(order: Order, name: str) -> str:
    value = order.get(name, "")
    return value if isinstance(value, str) else ""


def _words(order: Order, name: str) -> tuple[str, ...]:
    value = order.get(name, ())
    return tuple(map(str, value)) if isinstance(value, list) else ()


def _tell(line: Order) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


ERRANDS: Mapping[str, Callable[[Order, bytes], Order]] = {
    "look": _look,
    "request": _request,
    "install": _install,
}
