"""Choosing among the refs of a remote."""

import pytest
from hypothesis import example, given, strategies as st

from controller.errors import SourceError
from controller.model.declaration import RefKind, Repo
from controller.model.ids import Sha
from controller.source.remote import Offer, choose, read_offer, version_key

ONE, TWO, THREE = (Sha(digit * 40) for digit in "123")


def test_tags_lead_to_the_commits_they_name_and_nonsense_is_skipped() -> None:
    lines = [
        f"{ONE}\trefs/heads/main",
        f"{TWO}\trefs/tags/v1",
        f"{THREE}\trefs/tags/v1^{{}}",
        f"{TWO}\trefs/tags/light",
        f"{ONE}\trefs/pull/1/head",
        "nonsense",
        "",
    ]
    assert read_offer(lines) == Offer(branches={"main": ONE}, tags={"v1": THREE, "light": TWO})


def test_a_peeled_tag_counts_in_any_order() -> None:
    lines = [f"{THREE}\trefs/tags/v1^{{}}", f"{TWO}\trefs/tags/v1"]
    assert read_offer(lines).tags == {"v1": THREE}


def test_versions_order_as_people_order_them() -> None:
    ordered = ["nightly", "v1.0-alpha", "v1.0-rc1", "v1.0-rc.2", "v1.0", "v1.0.1", "v1.2", "v1.10"]
    ordered += ["v2.0-rc1", "v2.0", "v10"]
    backwards = ordered[::-1]
    assert sorted(backwards, key=version_key) == ordered


@example(["0\xb2"])
@given(st.lists(st.text(alphabet="v0123456789.-+rca²", max_size=8), max_size=8))
def test_any_names_have_an_order(names: list[str]) -> None:
    ordered = sorted(names, key=version_key)
    backwards = names[::-1]
    assert sorted(backwards, key=version_key) == ordered


def test_no_fitting_tag_is_an_error() -> None:
    repo = Repo(name="shop", url="/x", kind=RefKind.TAG, ref="v*")
    with pytest.raises(SourceError, match=r"cannot find a tag like 'v\*'"):
        choose(repo, Offer(tags={"nightly": ONE}))
