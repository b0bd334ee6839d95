"""The cache of forms forgets rather than fails."""

import os
import sqlite3
import stat
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from controller.store.forms import LARGEST, FormsCache


def test_forms_are_kept_between_commands(tmp_path: Path) -> None:
    path = tmp_path / "forms.db"
    FormsCache(path).put_many({"a": b"1", "b": b"2"})
    FormsCache(path).put_many({"b": b"3"})
    assert FormsCache(path).get_many(["a", "b", "c"]) == {"a": b"1", "b": b"3"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_many_keys_are_asked_at_once(tmp_path: Path) -> None:
    cache = FormsCache(tmp_path / "forms.db")
    forms = {f"key-{number}": str(number).encode() for number in range(3000)}
    cache.put_many(forms)
    assert cache.get_many(list(forms)) == forms


def test_an_unknown_place_is_an_empty_cache(tmp_path: Path) -> None:
    cache = FormsCache(tmp_path / "nowhere" / "forms.db")
    cache.put_many({"a": b"1"})
    assert cache.get_many(["a"]) == {}
    assert FormsCache(tmp_path / "fresh.db").get_many(["a", "\udcff"]) == {}
    assert not (tmp_path / "fresh.db").exists()


@given(damage=st.binary(min_size=1, max_size=200))
def test_a_damaged_file_is_thrown_away(
    tmp_path_factory: pytest.TempPathFactory, damage: bytes
) -> None:
    path = tmp_path_factory.mktemp("forms") / "forms.db"
    path.write_bytes(damage)
    cache = FormsCache(path)
    cache.get_many(["a"])
    cache.put_many({"a": b"1"})  # meets the damage, throws it away
    cache.put_many({"a": b"1"})
    assert cache.get_many(["a"]) == {"a": b"1"}


def test_damage_in_the_middle_is_thrown_away(tmp_path: Path) -> None:
    path = tmp_path / "forms.db"
    cache = FormsCache(path)
    cache.put_many({f"key-{number}": bytes(500) for number in range(200)})
    whole = bytearray(path.read_bytes())
    whole[100:] = os.urandom(len(whole) - 100)
    path.write_bytes(whole)
    assert cache.get_many(["key-1"]) == {}
    cache.put_many({"a": b"1"})
    cache.put_many({"a": b"1"})
    assert cache.get_many(["a"]) == {"a": b"1"}


def test_another_format_is_thrown_away(tmp_path: Path) -> None:
    path = tmp_path / "forms.db"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    cache = FormsCache(path)
    assert cache.get_many(["a"]) == {}
    cache.put_many({"a": b"1"})
    assert cache.get_many(["a"]) == {"a": b"1"}


def test_the_oldest_forms_go_and_too_large_ones_never_come(tmp_path: Path) -> None:
    cache = FormsCache(tmp_path / "forms.db", whole=1000)
    for number in range(20):
        cache.put_many({f"key-{number}": bytes(100)})
    kept = cache.get_many([f"key-{number}" for number in range(20)])
    assert sorted(kept) == sorted(f"key-{number}" for number in range(10, 20))
    cache.put_many({"large": bytes(LARGEST + 1)})
    assert cache.get_many(["large"]) == {}


def test_a_busy_cache_is_not_thrown_away(tmp_path: Path) -> None:
    path = tmp_path / "forms.db"
    cache = FormsCache(path)
    cache.put_many({"a": b"1"})
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    assert cache.get_many(["a"]) == {}
    holder.execute("ROLLBACK")
    holder.close()
    assert cache.get_many(["a"]) == {"a": b"1"}
