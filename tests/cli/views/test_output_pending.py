"""What is shown of lines that are not complete yet reads like the whole, wherever the bytes are cut."""

import itertools

from hypothesis import given, strategies as st

from controller.cli.views.output import OutputView
from controller.cli.views.style import Style
from controller.reconcile.exchange.reports import LogChunk

PIECES = ("plain", "ü", "€", "😀", "\x1b[31mred\x1b[0m", "\n", "\n\n", "? ", "\x1b[2J", "\t")


def shown(data: bytes, cuts: list[int], *, pauses: bool) -> str:
    view, text = OutputView(Style(color=True, unicode=True)), ""
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    for start, end in itertools.pairwise(edges):
        if start == end:
            continue
        chunk = LogChunk(step="a", attempt=1, offset=start, data=data[start:end])
        text += "".join(f"{row}\n" for row in view.rows(chunk))
        text += view.pending() if pauses else ""
    return text + view.finish()


def plain(text: str) -> str:
    """Leave out the ends of colours that are put where a line is interrupted."""
    return text.replace("\x1b[0m", "").replace("\x1b[31m", "").rstrip("\n")


@given(st.lists(st.sampled_from(PIECES), max_size=12), st.lists(st.integers(0, 80), max_size=6))
def test_any_cut_shows_the_same_text(pieces: list[str], cuts: list[int]) -> None:
    data = "".join(pieces).encode()
    assert plain(shown(data, cuts, pauses=True)) == plain(shown(data, [], pauses=False))


def test_a_prompt_is_shown_at_once_and_the_answer_goes_on_behind_it() -> None:
    view = OutputView(Style(color=False, unicode=True))
    first = LogChunk(step="a", attempt=1, offset=0, data=b"name? ")
    assert view.rows(first) == ["== a"]
    assert view.pending() == "name? "
    assert view.pending() == ""
    assert view.rows(LogChunk(step="a", attempt=1, offset=6, data=b"Ana\n")) == ["Ana"]
    assert view.rows(LogChunk(step="b", attempt=1, offset=0, data=b"x")) == ["== b"]


def test_another_step_begins_on_a_line_of_its_own() -> None:
    view = OutputView(Style(color=False, unicode=True))
    view.rows(LogChunk(step="a", attempt=1, offset=0, data=b"name? "))
    view.pending()
    assert view.rows(LogChunk(step="b", attempt=1, offset=0, data=b"x\n")) == ["", "== b", "x"]
