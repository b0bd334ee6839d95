"""`ctl secret`: keys, and files that only the holder of a key can read.

Works on files alone, without a controller and a config repository; what it writes, `age` and `sops` read, and the other way round.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from controller.cli.authority import FORMATS, print_view
from controller.cli.context import Invocation
from controller.cli.exitcodes import ExitCode
from controller.cli.options import command
from controller.cli.views.secrets import NewKey
from controller.errors import SecretError, UsageError
from controller.secrets import age
from controller.secrets.disk import read_small, replace, write_new
from controller.secrets.identities import KeyPlaces
from controller.secrets.sops.closing import Change, close_document, put
from controller.secrets.sops.file import LARGEST_FILE
from controller.secrets.sops.opening import open_file, pick
from controller.secrets.sops.rules import recipients_for
from controller.secrets.sops.writing import write_document
from controller.secrets.trouble import ReadingError

app = typer.Typer()

STDIN: Final = "-"
NAMELESS: Final = "standard input"

File = Annotated[str, typer.Argument(metavar="FILE|-", help="A file, or - for standard input.")]
Out = Annotated[
    Path | None,
    typer.Option("--out", metavar="FILE", help="Write there, 0600, never over another file."),
]
AgeKeyFile = Annotated[
    Path | None,
    typer.Option(
        "--age-key",
        metavar="FILE",
        help="Your age key; default: the first of the credential age-key, SOPS_AGE_KEY_FILE, "
        "~/.config/ctl/age.txt, /etc/ctl/age.txt, ~/.config/sops/age/keys.txt.",
    ),
]


@command(app, "keygen", verb="secret keygen", formats=FORMATS)
def keygen(
    ctl: Invocation,
    *,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FILE",
            help="Where the key goes, 0600, never over another file; default ~/.config/ctl/age.txt.",
        ),
    ] = None,
) -> int:
    """Make an age key and print its public half, the recipient that files are closed for.

    A controller looks for its key in the systemd credential age-key, then in ~/.config/ctl/age.txt and /etc/ctl/age.txt.
    """
    key = age.new_key()
    file = _keys(ctl).own() if out is None else _path(ctl, str(out))
    made = f"{ctl.surroundings.clock.now():%Y-%m-%dT%H:%M:%SZ}"
    try:
        if out is None:
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_new(file, age.key_file(key, made))
    except OSError as error:
        raise SecretError(f"cannot make a key: {error}") from None
    except ReadingError as error:
        raise SecretError(f"cannot make a key: {error.reason}", hint=error.hint) from None
    print_view(ctl, NewKey(recipient=key.recipient, file=file))
    ctl.next(f"ctl secret encrypt - -r {key.recipient} --out secrets/NAME.age")
    return ExitCode.DONE


@command(app, "encrypt", verb="secret encrypt")
def encrypt(
    ctl: Invocation,
    *,
    file: File,
    recipient: Annotated[
        list[str] | None,
        typer.Option("-r", "--recipient", metavar="AGE1...", help="For whom; repeatable."),
    ] = None,
    recipients_file: Annotated[
        list[Path] | None,
        typer.Option("-R", "--recipients-file", metavar="FILE", help="A file of recipients."),
    ] = None,
    sops: Annotated[
        bool, typer.Option("--sops", help="A YAML or JSON document: encrypt its values one by one.")
    ] = False,
    in_place: Annotated[
        bool, typer.Option("-i", "--in-place", help="With --sops: replace the file.")
    ] = False,
    into: Annotated[
        Path | None,
        typer.Option(
            "--into", metavar="SOPS-FILE", help="Put the input into that file, under --key."
        ),
    ] = None,
    key: Annotated[
        str | None, typer.Option("--key", metavar="A.B", help="With --into: which value.")
    ] = None,
    out: Out = None,
    age_key: AgeKeyFile = None,
) -> int:
    """Encrypt for age recipients: a whole file, the values of a document, or one value into a SOPS file.

    With --sops and no recipients, those of the nearest .sops.yaml count. With --into your own age key opens the file
    first; all other values stay as they are. A newline that ends a single line is not part of a value.
    """
    if (into is None) is not (key is None) or (in_place and (not sops or file == STDIN)):
        raise UsageError("--into takes --key; --in-place takes --sops and a FILE")
    if into is not None and (sops or recipient or recipients_file or out):
        raise UsageError("--into keeps the recipients of the file", hint="leave out the others")
    if in_place and out is not None:
        raise UsageError("--in-place and --out exclude each other")
    data = _input(ctl, file)
    if into is not None and key is not None:
        return _put(ctl, data, _path(ctl, str(into)), key, age_key)
    recipients = _recipients(ctl, file, recipient or (), recipients_file or (), sops=sops)
    try:
        closed = (
            close_document(file, data, recipients, ctl.surroundings.clock.now())
            if sops
            else _whole(data, recipients)
        )
        _give(ctl, closed, _path(ctl, file) if in_place else None, out)
    except ReadingError as error:
        raise _failed("encrypt", file, error) from None
    return ExitCode.DONE


def _whole(data: bytes, recipients: Sequence[str]) -> bytes:
    if age.is_sealed(data):
        raise ReadingError("it is encrypted already")
    return age.seal(data, recipients)


def _put(ctl: Invocation, data: bytes, into: Path, key: str, age_key: Path | None) -> int:
    bare = data.rstrip(b"\r\n")
    value = (data if b"\n" in bare else bare).decode("utf-8", "surrogateescape")
    if not value:
        raise UsageError("there is no value on the input")
    try:
        before = read_small(into, most=LARGEST_FILE)
        keys = _keys(ctl, age_key).read()
        now = ctl.surroundings.clock.now()
        replace(into, put(into.name, before, keys, Change(key=key, value=value), now))
    except ReadingError as error:
        raise _failed("encrypt into", str(into), error) from None
    ctl.note(f"{key} is in {into} now")
    return ExitCode.DONE


@command(app, "decrypt", verb="secret decrypt")
def decrypt(
    ctl: Invocation,
    *,
    file: File,
    key: Annotated[
        str | None,
        typer.Option("--key", metavar="A.B", help="One value of a SOPS file, as `key:` names it."),
    ] = None,
    out: Out = None,
    age_key: AgeKeyFile = None,
) -> int:
    """Print in clear what an age file or a SOPS file holds; the MAC of a SOPS file has to be right.

    Comments of a SOPS file are not printed; everything else keeps its order.
    """
    data = _input(ctl, file)
    try:
        keys = _keys(ctl, age_key).read()
        if age.is_sealed(data):
            if key is not None:
                raise UsageError("--key is for SOPS files; this is one of age")
            clear = age.unseal(data, keys)
        else:
            opened = open_file(file, data, keys)
            clear = (
                write_document(opened.document, as_json=opened.file.as_json)
                if key is None
                else pick(opened, key)
            )
        _give(ctl, clear, None, out)
    except ReadingError as error:
        raise _failed("decrypt", file, error) from None
    return ExitCode.DONE


def _recipients(
    ctl: Invocation, file: str, named: Sequence[str], files: Sequence[Path], *, sops: bool
) -> tuple[str, ...]:
    """Gather recipients from flags and files; for SOPS else from the rules of the folder."""
    try:
        found = [*named]
        for one in files:
            found += age.read_recipients(read_small(_path(ctl, str(one))))
        if not found and sops:
            place = ctl.surroundings.cwd if file == STDIN else _path(ctl, file)
            found = [*recipients_for(place.absolute())]
        if not found:
            raise UsageError("for whom? name a recipient: -r age1...", hint="ctl secret keygen")
        return age.check_recipients(found)
    except ReadingError as error:
        raise _failed("encrypt", file, error) from None


def _input(ctl: Invocation, file: str) -> bytes:
    if file != STDIN:
        try:
            return read_small(_path(ctl, file), most=LARGEST_FILE)
        except ReadingError as error:
            raise SecretError(f"cannot read {error.reason}", hint=error.hint) from None
    stream = getattr(ctl.surroundings.stdin, "buffer", None)
    data: bytes = (
        stream.read(LARGEST_FILE + 1)
        if stream is not None
        else ctl.surroundings.stdin.read(LARGEST_FILE + 1).encode()
    )
    if len(data) > LARGEST_FILE:
        raise UsageError(f"stdin holds more than {LARGEST_FILE >> 20} MiB")
    return data


def _give(ctl: Invocation, data: bytes, over: Path | None, out: Path | None) -> None:
    """Write a result over its source, to a new file, or to stdout byte for byte."""
    if over is not None:
        replace(over, data)
    elif out is not None:
        write_new(_path(ctl, str(out)), data)
    else:
        stream = getattr(ctl.surroundings.stdout, "buffer", None)
        if stream is None:
            ctl.surroundings.stdout.write(data.decode("utf-8", "surrogateescape"))
        else:
            ctl.surroundings.stdout.flush()
            stream.write(data)
            stream.flush()


def _keys(ctl: Invocation, named: Path | None = None) -> KeyPlaces:
    return KeyPlaces(
        environment=ctl.surroundings.environment,
        home=ctl.settings.person.home,
        named=None if named is None else _path(ctl, str(named)),
    )


def _path(ctl: Invocation, file: str) -> Path:
    return ctl.surroundings.cwd / Path(file).expanduser()


def _failed(what: str, file: str, error: ReadingError) -> SecretError:
    shown = NAMELESS if file == STDIN else file
    return SecretError(f"cannot {what} {shown}: {error.reason}", hint=error.hint)
