"""What is typed at an attached job: exact bytes, and the way out."""

import asyncio
import io
import os

from hypothesis import given, strategies as st

from controller.cli.keyboard import Escapes, Keyboard


def through(*pieces: bytes) -> tuple[bytes, bool]:
    escapes = Escapes()
    meant = b""
    for piece in pieces:
        meant += escapes.feed(piece)
    return meant, escapes.leaves


def test_a_tilde_and_a_dot_at_the_start_of_a_line_leave() -> None:
    assert through(b"~.") == (b"", True)
    assert through(b"one\n~.\n") == (b"one\n", True)
    assert through(b"one\n~", b".") == (b"one\n", True)


def test_elsewhere_they_are_typed() -> None:
    assert through(b"one ~.\n") == (b"one ~.\n", False)
    assert through(b"~a\n") == (b"~a\n", False)
    assert through(b"~~.\n") == (b"~.\n", False)


@given(st.binary(max_size=60), st.integers(0, 60))
def test_whatever_else_is_typed_arrives_in_any_pieces(typed: bytes, cut: int) -> None:
    plain = typed.replace(b"~", b"")
    assert through(plain[:cut], plain[cut:]) == (plain, False)
    assert through(typed[:cut], typed[cut:]) == through(typed)


async def test_bytes_of_a_pipe_come_as_they_are_and_end() -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading) as stream:
        keyboard = Keyboard(stream)
        os.write(writing, b"\xff\x00one")
        assert await keyboard.read() == b"\xff\x00one"
        waiting = asyncio.create_task(keyboard.read())
        await asyncio.sleep(0.01)
        assert not waiting.done()
        os.close(writing)
        assert await waiting == b""


async def test_a_stream_without_a_file_is_read_line_by_line() -> None:
    keyboard = Keyboard(io.StringIO("one\ntwo\n"))
    assert [await keyboard.read() for _ in range(3)] == [b"one\n", b"two\n", b""]
