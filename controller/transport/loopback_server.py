"""asyncssh's server as a stand-in where OpenSSH's is not installed; `python -m` this with a folder and a port.

Started by `loopback`; runs the commands of its one user with `sh -c`, their HOME below the folder.
"""

import asyncio
import os
import sys
from pathlib import Path

import asyncssh


class Stand(asyncssh.SSHServer):
    """Lets in whoever holds an authorized key."""

    def begin_auth(self, username: str) -> bool:
        """Demand authentication of everybody."""
        return True


async def serve(folder: Path, port: int) -> None:
    """Serve until the process ends."""
    home = str(folder / "home")

    async def run(process: asyncssh.SSHServerProcess[bytes]) -> None:
        command = process.command or "exec sh"
        child = await asyncio.create_subprocess_exec(
            "sh",
            "-c",
            command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=home,
            env={"HOME": home, "PATH": os.defpath, "USER": process.get_extra_info("username")},
            start_new_session=True,
        )
        await process.redirect(stdin=child.stdin, stdout=child.stdout, stderr=child.stderr)
        process.exit(await child.wait() & 0xFF)

    await asyncssh.listen(
        "127.0.0.1",
        port,
        server_factory=Stand,
        server_host_keys=[str(folder / "host_key")],
        authorized_client_keys=str(folder / "authorized_keys"),
        process_factory=run,
        encoding=None,
        allow_scp=False,
    )
    await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), int(sys.argv[2])))
