"""Secrets are compared by keyed digest; one that was renamed with what was applied under its earlier name."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from controller.model.applied import Applied
from controller.model.compared import Comparison
from controller.model.declaration import Secret, SecretKind
from controller.model.ids import Digest
from controller.model.work import Pair, Work
from controller.reconcile.walk.comparing import compare_pair
from controller.secrets.comparison import keyed_text
from controller.secrets.keyring import Keyring
from controller.secrets.masker import ValueMasker

KEY = "ab" * 32
PAIR = Pair(
    target="shop",
    server="web-1",
    work=Work(task="deploy", digest=Digest("d"), secrets={"PASSWORD": "new-name"}),
)


def secret(was: str | None) -> Mapping[str, Secret]:
    return {"new-name": Secret(name="new-name", kind=SecretKind.ENV, source="PW", was=was)}


def record(**applied: str) -> Applied:
    digests = {name.replace("_", "-"): keyed_text(KEY, value) for name, value in applied.items()}
    return Applied(target="shop", server="web-1", key=KEY, secrets=digests)


@pytest.mark.parametrize(
    ("was", "before", "wanted"),
    [
        ("old-name", record(old_name="hunter22"), Comparison.SAME),
        ("old-name", record(old_name="another1"), Comparison.CHANGED),
        ("old-name", record(old_name="hunter22", new_name="another1"), Comparison.CHANGED),
        (None, record(old_name="hunter22"), Comparison.NEW),
        (None, record(new_name="hunter22"), Comparison.SAME),
        ("old-name", None, Comparison.NEW),
    ],
)
def test_a_renamed_secret_is_compared_with_its_earlier_name(
    tmp_path: Path, was: str | None, before: Applied | None, wanted: Comparison
) -> None:
    declared = secret(was)
    keyring = Keyring(declared, environment={"PW": "hunter22"}, home=tmp_path, masker=ValueMasker())
    found = compare_pair(keyring, PAIR, before, declared)
    assert found["new-name"].comparison is wanted
