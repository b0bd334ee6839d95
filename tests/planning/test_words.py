"""Inputs are called what people call them."""

import pytest

from controller.planning.words import input_words


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
    ],
)
def test_words_of_inputs(name: str, words: str) -> None:
    assert input_words(name) == words
