"""Knocking at an agent: does one answer at an address, and is it the one that was meant?

Called by whoever has just installed it. Shows no certificate of its own, so it learns only who listens: with TLS 1.3 the agent proves
that first, and then ends the connection.
"""

import asyncio
import contextlib
import ssl
from pathlib import Path

from controller.clock import Clock
from controller.errors import TransportError, Unreachable
from controller.pki.contexts import client_context

ALPN = "ctl/1"
SECONDS = 5.0
PAUSE = 0.5


async def knock(host: str, port: int, name: str, *, trust: Path) -> None:
    """See that an agent of this name listens.

    Args:
        host: where.
        port: where.
        name: what its certificate has to carry.
        trust: bundle of the authorities it may be of.

    Raises:
        TransportError: nobody answers, or somebody else.
    """
    context = client_context(None, trust=trust, alpn=(ALPN,))
    try:
        async with asyncio.timeout(SECONDS):
            _, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname=name)
            writer.close()
            with contextlib.suppress(OSError):  # it ends the connection as well
                await writer.wait_closed()
    except TimeoutError as error:
        raise _silent(host, port, "nothing answers", Unreachable.TIMEOUT) from error
    except ssl.SSLCertVerificationError as error:
        words = error.verify_message
        raise _silent(
            host, port, f"its certificate is refused: {words}", Unreachable.TLS
        ) from error
    except ssl.SSLError as error:
        raise _silent(host, port, f"TLS fails: {error.reason}", Unreachable.TLS) from error
    except OSError as error:
        words = error.strerror or str(error)
        raise _silent(host, port, words.lower(), Unreachable.TCP) from error


async def knock_until(
    host: str, port: int, name: str, *, trust: Path, clock: Clock, tries: int = 20
) -> None:
    """Knock until the agent answers, which just starts.

    Raises:
        TransportError: it does not within the tries, or somebody else does.
    """
    for left in reversed(range(tries)):
        try:
            await knock(host, port, name, trust=trust)
        except TransportError as error:
            if left == 0 or error.cause is Unreachable.TLS:
                raise
        else:
            return
        await clock.sleep(PAUSE)


def _silent(host: str, port: int, words: str, cause: Unreachable) -> TransportError:
    return TransportError(
        f"cannot reach the agent at {host}:{port}: {words}",
        cause=cause,
        hint="is the port open from here? journalctl -u ctl-agent on the server says what it does",
    )
