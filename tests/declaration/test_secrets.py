"""Secrets as declared: every kind, where it lies, and which files come along."""

from datetime import date

import pytest

from controller.declaration.secrets import LARGEST_SEALED
from controller.model.declaration import SecretKind
from tests.declaration.trees import declared, findings, loaded

ALL = """\
secrets:
  a: {env: A}
  b: {file: ~/.ssh/id_ed25519}
  c: {age: secrets/hook.age}
  d: {sops: secrets/prod.sops.yaml, key: db.password, expires: 2027-01-31}
  e: {exec: [pass, show, a b]}
  f: {vault: kv/data/shop, key: x}
  g: {credential: shop-db}
"""
SEALED = {"secrets/hook.age": b"closed", "secrets/prod.sops.yaml": b"closed too"}


def test_every_kind_is_understood() -> None:
    declaration = declared({"inventory/all.yaml": ALL, **SEALED, "secrets/other.age": b"unused"})
    found = {name: (one.kind, one.source, one.key) for name, one in declaration.secrets.items()}
    assert found == {
        "a": (SecretKind.ENV, "A", None),
        "b": (SecretKind.FILE, "~/.ssh/id_ed25519", None),
        "c": (SecretKind.AGE, "secrets/hook.age", None),
        "d": (SecretKind.SOPS, "secrets/prod.sops.yaml", "db.password"),
        "e": (SecretKind.EXEC, "pass show 'a b'", None),
        "f": (SecretKind.KV, "kv/data/shop", "x"),
        "g": (SecretKind.CREDENTIAL, "shop-db", None),
    }
    assert declaration.secrets["e"].argv == ("pass", "show", "a b")
    assert declaration.secrets["d"].ends == date(2027, 1, 31)
    assert declaration.secrets["a"].ends is None
    assert declaration.sealed == SEALED


@pytest.mark.parametrize(
    ("block", "places"),
    [
        ("{age: secrets/none.age}", ["1:21 missing-file"]),
        ("{sops: secrets/none, key: a}", ["1:22 missing-file"]),
        ("{age: ../x}", ["1:21 wrong-value"]),
        ("{age: /etc/x}", ["1:21 wrong-value"]),
        ("{sops: secrets/hook.age}", ["1:11 wrong-value"]),
        ("{vault: kv/data/x}", ["1:11 wrong-value"]),
        ("{env: A, key: b}", ["1:11 wrong-value"]),
        ("{age: secrets/hook.age, env: A}", ["1:11 wrong-value"]),
        ("{exec: []}", ["1:22 wrong-value"]),
        ("{exec: pass}", ["1:22 wrong-type"]),
        ("{exec: [a/b]}", ["1:23 wrong-value"]),
        ("{exec: [-x]}", ["1:23 wrong-value"]),
        ("{vault: v1/kv/x, key: a}", ["1:23 wrong-value"]),
        ("{vault: kv/../sys, key: a}", ["1:23 wrong-value"]),
        ("{vault: 'kv/a?b', key: a}", ["1:23 wrong-value"]),
        ("{credential: a/b}", ["1:28 wrong-value"]),
        ("{credential: ..}", ["1:28 wrong-value"]),
    ],
)
def test_what_is_wrong_is_told_at_its_place(block: str, places: list[str]) -> None:
    files: dict[str, str | bytes] = {"inventory/all.yaml": f"secrets: {{it: {block}}}\n", **SEALED}
    assert findings(loaded(files)) == [f"inventory/all.yaml:{place}" for place in places]


def test_a_huge_file_is_no_secret() -> None:
    files: dict[str, str | bytes] = {
        "inventory/all.yaml": "secrets: {a: {age: x}, b: {age: x}}\n",
        "x": b"x" * (LARGEST_SEALED + 1),
    }
    found = findings(loaded(files))
    assert found[0] == "inventory/all.yaml:1:20 file-too-large"


def test_many_files_have_a_bound_together() -> None:
    names = [f"s{number}.age" for number in range(17)]
    secrets = ", ".join(f"{name[:-4]}: {{age: {name}}}" for name in names)
    files: dict[str, str | bytes] = dict.fromkeys(names, b"x" * LARGEST_SEALED)
    files["inventory/all.yaml"] = f"secrets: {{{secrets}}}\n"
    assert [one.split(" ")[1] for one in findings(loaded(files))] == ["file-too-large"]
