"""Files of age: for native keys only, whatever the file would like; in step with the real program."""

import subprocess
from pathlib import Path

import pytest

from controller.secrets import age
from controller.secrets.trouble import ReadingError
from tests.secrets.closed import KEYS, RECIPIENT, key_in, known, program

CANARY = b"canary-4711-canary"


def test_what_the_real_program_closed_is_opened_armored_or_not() -> None:
    for name in ("armored.age", "binary.age"):
        assert age.is_sealed(known(name))
        assert age.unseal(known(name), KEYS) == b"from-age-program\n"
    assert age.unseal(known("armored.age").replace(b"\n", b"\r\n"), KEYS) == b"from-age-program\n"


@pytest.mark.real
def test_the_real_program_opens_what_we_close(tmp_path: Path) -> None:
    found = program("age")
    if found is None:
        pytest.skip("there is no age on this machine")
    (tmp_path / "it.age").write_bytes(age.seal(CANARY, [RECIPIENT]))
    seen = subprocess.run(
        [found, "-d", "-i", str(key_in(tmp_path)), str(tmp_path / "it.age")],
        capture_output=True,
        check=True,
    )
    assert seen.stdout == CANARY


def test_several_recipients_open_the_same_file_and_others_do_not() -> None:
    one, two, other = age.new_key(), age.new_key(), age.new_key()
    sealed = age.seal(CANARY, [one.recipient, two.recipient, one.recipient])
    assert age.unseal(sealed, [one]) == age.unseal(sealed, [other, two]) == CANARY
    with pytest.raises(ReadingError, match="not closed for the age key here") as refusal:
        age.unseal(sealed, [other])
    assert other.recipient in refusal.value.reason
    assert str(other.identity) not in str(refusal.value)


@pytest.mark.parametrize(
    "recipient",
    [
        "age1yubikey1qwer4u2dplm4xkmqspgm0mdgnl2lzpqn5ysc2q9jkx2vvqs9qucck2dx",
        "age1../../../../tmp/evil1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq",
        "age1pq1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJmFo",
        RECIPIENT[:-1] + ("q" if RECIPIENT[-1] != "q" else "p"),
        RECIPIENT.upper(),
        RECIPIENT + "\n",
        "",
        "-i",
    ],
)
def test_only_recipients_of_native_keys_are_taken(recipient: str) -> None:
    with pytest.raises(ReadingError, match="no recipient of a native age key"):
        age.seal(CANARY, [RECIPIENT, recipient])


def test_without_recipients_nothing_is_closed() -> None:
    for recipients in ([], [age.new_key().recipient for _ in range(age.MOST_KEYS + 1)]):
        with pytest.raises(ReadingError, match="1 to 64 are needed"):
            age.seal(CANARY, recipients)


def test_a_passphrase_is_never_tried_however_dear_it_is() -> None:
    dear = b"age-encryption.org/v1\n-> scrypt bBKcH2adycXOhaZS+nGCQw 30\nA\n--- MAC\n"
    with pytest.raises(ReadingError, match="closed by a passphrase"):
        age.unseal(dear, KEYS)


def test_a_file_for_other_kinds_of_keys_starts_no_plugin() -> None:
    for kind in ("piv-p256", "ssh-ed25519", "../../bin/sh", "mlkem768x25519"):
        header = f"age-encryption.org/v1\n-> {kind} abc\nA\n--- MAC\n".encode()
        with pytest.raises(ReadingError, match="other kinds of keys only"):
            age.unseal(header, KEYS)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no file of age"),
        (b"hello", "no file of age"),
        (b"age-encryption.org/v1\n", "header is damaged"),
        (b"age-encryption.org/v1\n" + b"-> X25519 a\nb\n" * 300, "over 256 recipients"),
        (b"-----BEGIN AGE ENCRYPTED FILE-----\n!!!\n-----END AGE ENCRYPTED FILE-----", "armor"),
        (b"-----BEGIN AGE ENCRYPTED FILE-----\n", "armor"),
        (b"-----BEGIN AGE ENCRYPTED FILE-----\naGk=\n-----END AGE ENCRYPTED FILE-----", "no file"),
    ],
)
def test_what_is_no_file_of_age_is_refused_with_a_reason(data: bytes, reason: str) -> None:
    with pytest.raises(ReadingError, match=reason):
        age.unseal(data, KEYS)


def test_a_changed_byte_anywhere_is_found_out() -> None:
    sealed = known("binary.age")
    for at in range(22, len(sealed), 7):
        changed = sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :]
        with pytest.raises(ReadingError):
            age.unseal(changed, KEYS)


def test_a_key_file_is_read_as_written_and_shows_no_key() -> None:
    made = age.new_key()
    text = age.key_file(made, "2026-03-01T12:00:00Z")
    (read,) = age.read_keys(text)
    assert read.recipient == made.recipient
    assert f"# public key: {made.recipient}".encode() in text
    assert "SECRET" not in repr(made)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"# nothing\n", "holds 0 keys"),
        (b"AGE-PLUGIN-YUBIKEY-1QQQQ\n", "no AGE-SECRET-KEY-1"),
        (b"AGE-SECRET-KEY-1" + b"Q" * 58 + b"\n", "key 1 is damaged"),
    ],
)
def test_other_keys_are_refused_and_not_repeated(text: bytes, reason: str) -> None:
    with pytest.raises(ReadingError, match=reason) as refusal:
        age.read_keys(text)
    assert "QQQQ" not in str(refusal.value)
