"""The rules of a folder's `.sops.yaml`."""

from pathlib import Path

import pytest

from controller.secrets.sops.rules import recipients_for
from controller.secrets.trouble import ReadingError

RULES = """\
creation_rules:
  - path_regex: prod/.*
    age: age1one, age1two
  - path_regex: kube
    age: age1one
    encrypted_regex: ^data$
  - path_regex: list
    age: [age1one, age1three]
"""


def test_the_first_rule_that_fits_names_the_recipients(tmp_path: Path) -> None:
    (tmp_path / ".sops.yaml").write_text(RULES)
    assert recipients_for(tmp_path / "prod" / "a.yaml") == ("age1one", "age1two")
    assert recipients_for(tmp_path / "deep" / "list.yaml") == ("age1one", "age1three")


def test_without_rules_there_are_no_recipients(tmp_path: Path) -> None:
    assert recipients_for(tmp_path / "a.yaml") == ()


@pytest.mark.parametrize(
    ("name", "reason"),
    [("kube.yaml", "has encrypted_regex"), ("other.yaml", "no rule is for other.yaml")],
)
def test_what_the_rules_do_not_cover_is_refused(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / ".sops.yaml").write_text(RULES)
    with pytest.raises(ReadingError, match=reason):
        recipients_for(tmp_path / name)


@pytest.mark.parametrize("rules", ["creation_rules: [{path_regex: '('}]\n", "a: [", ""])
def test_rules_that_cannot_be_read_name_their_file(tmp_path: Path, rules: str) -> None:
    (tmp_path / ".sops.yaml").write_text(rules)
    with pytest.raises(ReadingError, match=r"\.sops\.yaml"):
        recipients_for(tmp_path / "a.yaml")
