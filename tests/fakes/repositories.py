"""Real git repositories, built in a folder: commits, tags, branches, signatures, rewinds."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

from controller.model.ids import Sha

ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "HOME": "/nonexistent",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "Author",
    "GIT_AUTHOR_EMAIL": "author@example.com",
    "GIT_COMMITTER_NAME": "Author",
    "GIT_COMMITTER_EMAIL": "author@example.com",
}


class Repository:
    """A repository with a work tree; each commit is a second younger than the one before."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seconds = 1_700_000_000
        path.mkdir(parents=True, exist_ok=True)
        self.git("init", "--quiet", "--initial-branch=main")

    @property
    def url(self) -> str:
        return f"file://{self.path}"

    @property
    def head(self) -> Sha:
        return Sha(self.git("rev-parse", "HEAD"))

    def git(
        self, *arguments: str, stdin: bytes = b"", environment: Mapping[str, str] | None = None
    ) -> str:
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.path,
            env={**ENVIRONMENT, **(environment or {})},
            input=stdin,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode(errors="replace")
        return done.stdout.decode(errors="surrogateescape").strip()

    def write(self, files: Mapping[str, str | bytes]) -> None:
        for name, content in files.items():
            file = self.path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content.encode() if isinstance(content, str) else content)

    def commit(
        self,
        files: Mapping[str, str | bytes] | None = None,
        *,
        message: str = "change",
        author: str = "Author",
        options: tuple[str, ...] = (),
    ) -> Sha:
        self.write(files or {})
        self.git("add", "--all")
        self._seconds += 1
        moment = f"{self._seconds} +0000"
        environment = {
            "GIT_AUTHOR_NAME": author,
            "GIT_AUTHOR_DATE": moment,
            "GIT_COMMITTER_DATE": moment,
        }
        arguments = ("commit", "--quiet", "--allow-empty", "-m", message)
        self.git(*options, *arguments, environment=environment)
        return self.head

    def branch(self, name: str) -> None:
        self.git("checkout", "--quiet", "-B", name)

    def tag(self, name: str, *, annotated: bool = False) -> None:
        self.git("tag", "--force", *(["-a", "-m", name] if annotated else []), name)

    def rewind(self, to: str) -> None:
        self.git("reset", "--quiet", "--hard", to)

    def signed(self, files: Mapping[str, str | bytes], key: Path) -> Sha:
        """Commit, signed with an ssh key."""
        options = ("-c", "gpg.format=ssh", "-c", f"user.signingKey={key}", "-c", "commit.gpgSign=1")
        return self.commit(files, options=options)

    def planted(self, entries: Mapping[bytes, bytes], *, mode: bytes = b"100644") -> Sha:
        """Commit a tree with any names at all, as a hostile author can make it."""
        tree = b""
        for name, content in sorted(entries.items()):
            blob = self.git("hash-object", "-w", "--stdin", stdin=content)
            tree += mode + b" " + name + b"\0" + bytes.fromhex(blob)
        arguments = ("hash-object", "-w", "-t", "tree", "--literally", "--stdin")
        made = self.git(*arguments, stdin=tree)
        sha = self.git(
            "commit-tree", made, "-m", "planted", *(["-p", "HEAD"] if self._born else [])
        )
        self.git("update-ref", "refs/heads/main", sha)
        return Sha(sha)

    @property
    def _born(self) -> bool:
        return bool(self.git("for-each-ref", "refs/heads/main"))


def ssh_key(folder: Path, name: str) -> Path:
    """Make an ssh key pair without a passphrase."""
    path = folder / name
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(path)]
    subprocess.run(command, check=True, capture_output=True)
    return path


def allowed_signers(**keys: Path) -> bytes:
    """Write the lines that OpenSSH reads: one principal and key each."""
    lines = [
        f"{name}@example.com {key.with_suffix('.pub').read_text()}" for name, key in keys.items()
    ]
    return "".join(lines).encode()
