"""An ssh server that lets everybody in and then lies: `python -m tests.e2e.liar FOLDER PORT KIND`.

KIND says how: `noise` (bytes without end), `quiet` (never a word), `gone` (hangs up), `huge` (a body larger than the
world), `words` (a greeting whose numbers are none), `escape` (terminal commands in its message).
"""

import asyncio
import re
import sys
from pathlib import Path

import asyncssh

ANSWERS = {
    "huge": b"@%s 0 boot=b login=root uid=0 pid=1 born=1 tools= bytes=99999999999999999 base=/x\n",
    "words": b"@%s 0 boot=b login=root uid=zero pid=minus born=\xff\xfe tools=,, base=\n",
    "escape": b"@%s 0 error=state msg=\x1b]0;owned\x07\x1b[2J\x1b[1;1H all is well \xe2\x80\xae\n",
}


class Open(asyncssh.SSHServer):
    """Lets in whoever comes."""

    def begin_auth(self, username: str) -> bool:
        return False


async def lie(process: "asyncssh.SSHServerProcess[bytes]", kind: str) -> None:
    text = await process.stdin.read(1 << 20)
    found = re.findall(rb"main '?([0-9a-z]+)'?; exit", text)
    if kind == "noise":
        while True:
            process.stdout.write(b"\0\xff@garbage " * 10_000)
            await process.stdout.drain()
    if kind == "quiet":
        await asyncio.sleep(3600)
    if kind in ANSWERS:
        process.stdout.write(ANSWERS[kind] % (found or [b"0"])[0])
        await asyncio.sleep(3600)
    process.exit(0)


async def serve(folder: Path, port: int, kind: str) -> None:
    await asyncssh.listen(
        "127.0.0.1",
        port,
        server_factory=Open,
        server_host_keys=[str(folder / "host_key")],
        process_factory=lambda process: lie(process, kind),
        encoding=None,
    )
    await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
