"""Reading secrets: where from, what is refused, and that no value shows by accident."""

import asyncio
import os
import pickle
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from controller.errors import SecretError
from controller.model.declaration import Secret, SecretKind
from controller.model.diagnostic import Place
from controller.secrets.age import new_key
from controller.secrets.allowed import EVERYTHING, parse_allow
from controller.secrets.keyring import FAILURE_KEPT, KEPT, Keyring, UnreadableError
from controller.secrets.masker import ValueMasker
from controller.secrets.value import SecretText
from tests.secrets.closed import key_in, known

CANARY = "canary-4711-canary"


def keyring(
    kind: SecretKind, source: str, home: Path, environment: dict[str, str] | None = None
) -> tuple[Keyring, ValueMasker]:
    masker = ValueMasker()
    declared = {"it": Secret(name="it", kind=kind, source=source)}
    ring = Keyring(declared, environment=environment or {}, home=home, masker=masker)
    return ring, masker


def test_a_variable_is_read_once_and_masked_at_once(tmp_path: Path) -> None:
    environment = {"VALUE": CANARY}
    ring, masker = keyring(SecretKind.ENV, "VALUE", tmp_path, environment)
    assert ring.read("it").reveal() == CANARY
    assert masker.text(f"it is {CANARY}") == "it is " + "*" * len(CANARY)
    environment["VALUE"] = "changed-meanwhile"
    assert ring.read("it").reveal() == CANARY
    assert ring.warnings == ()


def test_a_file_is_read_below_home_or_by_its_whole_path(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{CANARY}\n")
    for source in ("~/token", str(tmp_path / "token")):
        ring, _ = keyring(SecretKind.FILE, source, tmp_path)
        assert ring.read("it").reveal() == CANARY


def test_a_file_of_many_lines_is_kept_byte_for_byte(tmp_path: Path) -> None:
    key = b"-----BEGIN-----\nabcdefghijk\n-----END-----\n"
    (tmp_path / "key").write_bytes(key)
    ring, _ = keyring(SecretKind.FILE, "~/key", tmp_path)
    assert ring.read("it").reveal_bytes() == key


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("UNSET", "env UNSET is not set"),
        ("EMPTY", "env EMPTY is empty"),
        ("CTL_TOKEN", "env CTL_TOKEN is not for secrets"),
        ("PATH", "env PATH is not for secrets"),
        ("LD_PRELOAD", "env LD_PRELOAD is not for secrets"),
        ("PYTHONPATH", "env PYTHONPATH is not for secrets"),
    ],
)
def test_variables_that_cannot_be_read_say_why(source: str, reason: str, tmp_path: Path) -> None:
    environment = {"EMPTY": "", "CTL_TOKEN": "x" * 9, "PATH": "x" * 9, "LD_PRELOAD": "x" * 9}
    ring, _ = keyring(SecretKind.ENV, source, tmp_path, environment)
    with pytest.raises(UnreadableError) as refusal:
        ring.read("it")
    assert refusal.value.reason == reason
    assert refusal.value.message == f"cannot read secret it: {reason}"


def test_files_that_cannot_be_read_say_why(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "huge").write_bytes(b"x" * ((64 << 10) + 1))
    expected = {
        "~/missing": "no such file",
        "~/pipe": "not a regular file",
        "~/empty": "is empty",
        "~/huge": "is over 64 KiB",
        "relative": "is not absolute",
        "~other/key": "is not absolute",
        str(tmp_path): "not a regular file",
    }
    for source, reason in expected.items():
        ring, _ = keyring(SecretKind.FILE, source, tmp_path)
        with pytest.raises(SecretError, match=reason):
            ring.read("it")


def test_undeclared_and_vaulted_secrets_are_never_opened(tmp_path: Path) -> None:
    ring, _ = keyring(SecretKind.VAULT, "$ANSIBLE_VAULT;1.1;AES256\n00", tmp_path)
    with pytest.raises(SecretError, match="carried, never opened"):
        ring.read("it")
    with pytest.raises(SecretError, match="not declared"):
        ring.read("other")


def test_a_value_too_short_to_mask_is_warned_about(tmp_path: Path) -> None:
    ring, _ = keyring(SecretKind.ENV, "PIN", tmp_path, {"PIN": "1234"})
    assert ring.read("it").reveal() == "1234"
    assert ring.warnings == ("secret it is under 6 bytes: it cannot be masked in output",)


def test_a_value_does_not_show_by_accident() -> None:
    value = SecretText(CANARY.encode())
    for shown in (str(value), repr(value), f"{value}", f"{value:>9}", f"{[value]}", f"{value!r}"):
        assert CANARY not in shown
    with pytest.raises(TypeError):
        pickle.dumps(value)
    with pytest.raises(TypeError):
        hash(value)
    with pytest.raises(TypeError):
        assert value == SecretText(CANARY.encode())
    assert not hasattr(value, "__dict__")


async def test_many_secrets_are_read_at_once_and_each_failure_is_told_when_it_is_read(
    tmp_path: Path,
) -> None:
    masker = ValueMasker()
    declared = {
        f"s{number}": Secret(
            name=f"s{number}",
            kind=SecretKind.EXEC,
            source="sh",
            argv=("sh", "-c", f"sleep 0.3; echo {CANARY}{number}; exit {number // 5}"),
        )
        for number in range(6)
    }
    ring = Keyring(declared, environment={}, home=tmp_path, masker=masker)
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.01)
            ticks += 1

    ticking = asyncio.create_task(tick())
    await ring.gather([*declared, "none"])
    ticking.cancel()
    assert ticks >= 5  # nobody else had to wait
    for number in range(5):
        assert ring.read(f"s{number}").reveal() == f"{CANARY}{number}"
    with pytest.raises(UnreadableError, match="exit code 1"):
        ring.read("s5")
    with pytest.raises(UnreadableError, match="not declared"):
        ring.read("none")
    assert masker.text(f"{CANARY}3") == "*" * (len(CANARY) + 1)


async def test_a_secret_that_many_ask_for_is_read_once_even_when_they_give_up(
    tmp_path: Path,
) -> None:
    read = tmp_path / "read"
    argv = ("sh", "-c", f"echo x >> {read}; sleep 0.3; echo {CANARY}")
    declared = {"it": Secret(name="it", kind=SecretKind.EXEC, source="sh", argv=argv)}
    ring = Keyring(declared, environment={}, home=tmp_path, masker=ValueMasker())
    for _ in range(3):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ring.gather(["it"]), 0.05)
    await asyncio.gather(*(ring.gather(["it"]) for _ in range(10)))
    assert ring.read("it").reveal() == CANARY
    assert read.read_text().count("x") == 1


def test_what_was_forgotten_is_read_anew_and_stays_masked(tmp_path: Path) -> None:
    environment = {"VALUE": CANARY}
    ring, masker = keyring(SecretKind.ENV, "VALUE", tmp_path, environment)
    assert ring.read("it").reveal() == CANARY
    environment["VALUE"] = "another-value"
    ring.forget()
    assert ring.read("it").reveal() == "another-value"
    assert masker.text(f"{CANARY} another-value") == "*" * len(CANARY) + " " + "*" * 13


def test_an_error_names_the_secret_its_kind_its_place_and_the_remedy(tmp_path: Path) -> None:
    place = Place(file="inventory/all.yaml", line=7, column=3)
    declared = {"hook": Secret(name="hook", kind=SecretKind.AGE, source="hook.age", place=place)}
    ring = Keyring(
        declared,
        environment={},
        home=tmp_path,
        masker=ValueMasker(),
        sealed={"hook.age": known("armored.age")},
        age_key=key_in(tmp_path, (new_key(),)),
    )
    with pytest.raises(UnreadableError) as refusal:
        ring.read("hook")
    assert refusal.value.message.startswith("cannot read secret hook: age hook.age: it is not")
    assert refusal.value.message.endswith("(declared at inventory/all.yaml:7:3)")
    assert refusal.value.secret == "hook"  # noqa: S105  # a name
    assert "use the right key file" in (refusal.value.hint or "")


class Ticking:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.at = datetime(2026, 3, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at

    async def sleep(self, seconds: float) -> None:
        raise AssertionError(f"nobody waits {seconds} s here")


def test_a_controller_that_stays_soon_sees_a_value_that_was_changed(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("first-value")
    for allowed, later in ((parse_allow("file"), "second-value"), (EVERYTHING, "first-value")):
        file.write_text("first-value")
        clock = Ticking()
        ring = Keyring(
            {"it": Secret(name="it", kind=SecretKind.FILE, source=str(file))},
            environment={},
            home=tmp_path,
            masker=ValueMasker(),
            allowed=allowed,
            clock=clock,
        )
        assert ring.read("it").reveal() == "first-value"
        file.write_text("second-value")
        clock.at += KEPT - timedelta(seconds=1)
        assert ring.read("it").reveal() == "first-value"
        clock.at += timedelta(seconds=1)
        assert ring.read("it").reveal() == later


def test_what_could_not_be_read_is_tried_again_after_a_while(tmp_path: Path) -> None:
    clock = Ticking()
    ring = Keyring(
        {"it": Secret(name="it", kind=SecretKind.FILE, source=str(tmp_path / "late"))},
        environment={},
        home=tmp_path,
        masker=ValueMasker(),
        clock=clock,
    )
    for _ in range(2):
        with pytest.raises(UnreadableError, match="no such file"):
            ring.read("it")
        (tmp_path / "late").write_text(CANARY)
    clock.at += FAILURE_KEPT
    assert ring.read("it").reveal() == CANARY
