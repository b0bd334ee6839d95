"""Inputs are called what people call them."""

import pytest

from controller.model.applied import Applied
from controller.planning.difference import Difference
from controller.planning.words import change_words, input_words


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("source", "the source"),
        ("params.channel", "parameter channel"),
        ("env.APP_ENV", "environment APP_ENV"),
        ("secrets.DB", "secret of DB"),
        ("user", "user"),
        ("steps.fetch.run", "run of step fetch"),
        ("steps.v1.2.when", "when of step v1.2"),
        ("steps.fetch.env.A", "environment A of step fetch"),
        ("files./etc/shop.d/a.conf.content", "content of /etc/shop.d/a.conf"),
        ("files./etc/shop.conf.mode", "mode of /etc/shop.conf"),
        ("checkout.path", "path of the checkout"),
        ("checkout.releases", "releases of the checkout"),
    ],
)
def test_words_of_inputs(name: str, words: str) -> None:
    assert input_words(name) == words


@pytest.mark.parametrize(
    ("difference", "words"),
    [
        (
            Difference(new=("files./etc/a.content", "files./etc/a.mode", "files./etc/a.owner")),
            "file /etc/a is new",
        ),
        (Difference(gone=("files./etc/a.content", "files./etc/a.mode")), "file /etc/a is gone"),
        (Difference(new=("files./etc/a.owner",)), "owner of /etc/a is new"),
        (
            Difference(changed=("files./etc/a.content", "files./etc/a.mode")),
            "content of /etc/a changed, mode of /etc/a changed",
        ),
        (Difference(new=("checkout.path", "checkout.releases")), "the checkout is new"),
        (Difference(changed=("checkout.path",)), "path of the checkout changed"),
    ],
)
def test_a_file_that_comes_or_goes_is_named_once(difference: Difference, words: str) -> None:
    record = Applied(target="web", server="web-1")
    assert change_words(difference, record, None, paths=False) == words
