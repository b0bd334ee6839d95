"""Comparing secrets by keyed digests: any clone can, nobody learns a value."""

import hashlib
import hmac

from controller.errors import SecretError
from controller.model.compared import Compared, Comparison
from controller.secrets.comparison import compare, keyed, new_key
from controller.secrets.keyring import UnreadableError
from controller.secrets.value import SecretText

KEY = "0b" * 32


def read(name: str) -> SecretText:
    if name == "absent":
        raise UnreadableError(name, "env ABSENT is not set")
    if name == "broken":
        raise SecretError("cannot read it")
    return SecretText(f"value of {name}".encode())


def test_a_keyed_digest_is_the_standard_one() -> None:
    digest = hmac.new(bytes.fromhex(KEY), b"value of a", hashlib.sha256).hexdigest()
    assert keyed(KEY, read("a")) == digest


def test_keys_are_fresh_and_equal_values_look_different_under_them() -> None:
    first, second = new_key(), new_key()
    assert len(bytes.fromhex(first)) == 32
    assert keyed(first, read("a")) != keyed(second, read("a"))


def test_each_secret_is_judged_for_itself() -> None:
    applied = {
        "same": keyed(KEY, read("same")),
        "changed": keyed(KEY, SecretText(b"old")),
        "absent": "00" * 32,
        "broken": "00" * 32,
        "dropped": "00" * 32,
    }
    assert compare(KEY, applied, ["same", "changed", "new", "absent", "broken"], read) == {
        "same": Compared(comparison=Comparison.SAME),
        "changed": Compared(comparison=Comparison.CHANGED),
        "new": Compared(comparison=Comparison.NEW),
        "absent": Compared(comparison=Comparison.UNREADABLE, reason="env ABSENT is not set"),
        "broken": Compared(comparison=Comparison.UNREADABLE, reason="cannot read it"),
    }


def test_a_pair_that_was_never_applied_has_nothing_to_compare_and_reads_nothing() -> None:
    assert compare("", {}, ["absent"], read) == {"absent": Compared(comparison=Comparison.NEW)}
