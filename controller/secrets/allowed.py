"""What a declaration may touch of the controller's own machine: everything by hand, under `serve` only what its flag says.

A commit to the config repository must not become a shell on the controller. Called by `reconcile` for the findings and by
`sources` before each read; pure.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from controller.errors import UsageError
from controller.model.declaration import Declaration, Repo, Secret, SecretKind
from controller.model.diagnostic import Diagnostic, Place
from controller.model.inventory import Carrier
from controller.model.notifier import NotifierKind

FOLDER: Final = "/etc/ctl/secrets"
"""Where `file` secrets may lie unless something else is allowed."""
DEFAULT: Final = f"env,credential,file:{FOLDER}"
"""What `ctl serve` allows when nothing is said."""
WORDS: Final = ("env", "credential", "file", "file:/FOLDER", "exec", "vault", "local", "file-repos")
SEALED: Final = frozenset({SecretKind.AGE, SecretKind.SOPS, SecretKind.VAULT})
"""Kinds that lie in the repository itself: they read nothing here but the key that is meant for them."""

OWN: Final = frozenset({
    "HOME", "SHELL", "USER", "LOGNAME", "PWD", "OLDPWD", "IFS", "ENV", "TERM", "LANG",
})  # fmt: skip
OWN_BEGINS: Final = ("CTL_", "LD_", "PYTHON", "BASH_", "LC_")
"""Variables that are the controller's own or steer programs; none of them is a secret to hand out, nor is any that ends in PATH."""
KEPT: Final = frozenset({
    "DATABASE_URL", "CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET", "JOURNAL_STREAM", "INVOCATION_ID",
})  # fmt: skip
KEPT_BEGINS: Final = (
    "VAULT_", "SOPS_", "PG", "LISTEN_", "SSH_", "XDG_", "DBUS_", "SSL_", "OPENSSL_", "GIT_",
)  # fmt: skip
"""Variables by which a controller itself logs in somewhere or is set up, proxies too; a person by hand may use them."""
OWN_CREDENTIALS: Final = ("age-key", "vault-token", "ctl")
"""Credentials that are the controller's own, and so is every one that begins with ctl and a dot, dash or underscore."""


def _is_own(variable: str) -> bool:
    name = variable.upper()
    return name in OWN or name.startswith(OWN_BEGINS) or name.endswith("PATH")


def _is_kept(variable: str) -> bool:
    name = variable.upper()
    return name in KEPT or name.startswith(KEPT_BEGINS) or name.endswith("_PROXY")


def _is_own_credential(name: str) -> bool:
    return name in OWN_CREDENTIALS or name.startswith(("ctl.", "ctl-", "ctl_"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """What may be touched.

    Args:
        kinds: kinds of secrets that may be read wherever they lie.
        folders: where `file` secrets may lie when their kind is not among `kinds`.
        local: whether servers may be this machine.
        file_repos: whether repos may be paths of this machine.
        by_hand: a person runs it with rights of their own.
    """

    kinds: frozenset[SecretKind] = SEALED
    folders: tuple[PurePosixPath, ...] = ()
    local: bool = False
    file_repos: bool = False
    by_hand: bool = False

    @property
    def words(self) -> tuple[str, ...]:
        """Say it as `--allow` takes it."""
        kinds = [kind.value for kind in SecretKind if kind in self.kinds - SEALED]
        folders = [f"file:{folder}" for folder in self.folders]
        rest = [*["local"] * self.local, *["file-repos"] * self.file_repos]
        return (*kinds, *folders, *rest)

    def refusal(self, secret: Secret) -> "Refusal | None":
        """Say why a secret may not be read, if so."""
        if secret.kind is SecretKind.ENV:
            if _is_own(secret.source):
                return Refusal(reason=f"env {secret.source} is not for secrets")
            if not self.by_hand and _is_kept(secret.source):
                return Refusal(reason=f"env {secret.source} belongs to the controller")
        if secret.kind is SecretKind.CREDENTIAL and _is_own_credential(secret.source):
            return Refusal(reason=f"credential {secret.source} belongs to the controller")
        if secret.kind in self.kinds | SEALED or self._is_below(secret):
            return None
        return Refusal(
            reason=f"secrets of the kind {secret.kind} are not allowed here", word=secret.kind.value
        )

    def _is_below(self, secret: Secret) -> bool:
        path = PurePosixPath(secret.source)
        return (
            secret.kind is SecretKind.FILE
            and ".." not in path.parts
            and any(folder in path.parents for folder in self.folders)
        )

    def flag(self, word: str) -> str:
        """Give the flag that allows one thing more."""
        kept = [one for one in self.words if word != "file" or not one.startswith("file:")]
        return f"--allow {','.join([*kept, word])}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why something may not be touched; `word` would allow it, None: nothing does."""

    reason: str
    word: str | None = None


EVERYTHING: Final = Allowed(kinds=frozenset(SecretKind), local=True, file_repos=True, by_hand=True)
"""By hand: whoever types the command could read it all anyway."""


def parse_allow(text: str) -> Allowed:
    """Read what `--allow` says; it stands instead of the default.

    Raises:
        UsageError: a word is unknown, or a folder is not absolute.
    """
    words = [word.strip() for word in text.split(",") if word.strip()]
    kinds, folders = set(SEALED), list[PurePosixPath]()
    for word in words:
        if word.startswith("file:"):
            folders.append(_folder(word))
        elif word in WORDS and word not in {"local", "file-repos"}:
            kinds.add(SecretKind(word))
        elif word not in {"local", "file-repos"}:
            raise UsageError(f'--allow has no word "{word}"', hint=f"some of {', '.join(WORDS)}")
    return Allowed(
        kinds=frozenset(kinds),
        folders=tuple(dict.fromkeys(folders)),
        local="local" in words,
        file_repos="file-repos" in words,
    )


def _folder(word: str) -> PurePosixPath:
    folder = PurePosixPath(word.removeprefix("file:"))
    if not folder.is_absolute() or ".." in folder.parts:
        raise UsageError(
            f'--allow cannot take "{word}": the folder has to be absolute',
            hint=f"such as file:{FOLDER}",
        )
    return folder


def refusals(declaration: Declaration, allowed: Allowed) -> tuple[Diagnostic, ...]:
    """Find everything that a declaration asks of this machine and may not, in order of place."""
    found = [
        *_secrets(declaration, allowed),
        *_servers(declaration, allowed),
        *_repos(declaration, allowed),
        *_notifiers(declaration, allowed),
    ]
    return tuple(sorted(found, key=lambda one: one.place))


def _secrets(declaration: Declaration, allowed: Allowed) -> Iterator[Diagnostic]:
    for secret in declaration.secrets.values():
        refusal = allowed.refusal(secret)
        if refusal is not None:
            what = f"cannot read the secret {secret.name}: {refusal.reason}"
            yield _diagnostic(what, secret.place, allowed, refusal.word)


def _servers(declaration: Declaration, allowed: Allowed) -> Iterator[Diagnostic]:
    for server in declaration.inventory.servers.values():
        if server.carrier is Carrier.LOCAL and not allowed.local:
            what = f"cannot reach the server {server.name}: it is the controller's own machine"
            yield _diagnostic(what, server.place, allowed, "local")


def _repos(declaration: Declaration, allowed: Allowed) -> Iterator[Diagnostic]:
    for repo in declaration.repos.values():
        if is_file_repo(repo) and not allowed.file_repos:
            what = f"cannot fetch the repo {repo.name}: it is a path of the controller's machine"
            yield _diagnostic(what, repo.place, allowed, "file-repos")


def _notifiers(declaration: Declaration, allowed: Allowed) -> Iterator[Diagnostic]:
    for notifier in declaration.notifiers.values():
        if notifier.kind is NotifierKind.EXEC and SecretKind.EXEC not in allowed.kinds:
            what = f"cannot tell by the notifier {notifier.name}: it runs a program here"
            yield _diagnostic(what, notifier.place, allowed, SecretKind.EXEC.value)


def is_file_repo(repo: Repo) -> bool:
    """Say whether a repo lies on this machine."""
    return repo.url.startswith("/") or repo.url.lower().startswith("file:")


def _diagnostic(message: str, place: Place, allowed: Allowed, word: str | None) -> Diagnostic:
    return Diagnostic(
        code="not-allowed-here",
        message=message,
        place=place,
        hint=f"ctl serve {allowed.flag(word)}" if word else "give it a name of its own",
    )
