"""What a serving process writes to stderr."""

import io
import logging
import os
from collections.abc import Iterator

import pytest

from controller.secrets.masker import ValueMasker
from controller.service.logs import Lines, read_by_journal, write_logs


@pytest.fixture
def quiet() -> Iterator[None]:
    """Give the logging of the tests back as it was."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def test_only_a_stream_that_systemd_named_goes_into_the_journal() -> None:
    reading, writing = os.pipe()
    try:
        found = os.fstat(writing)
        named = {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}
        assert read_by_journal(named, writing)
        assert not read_by_journal({"JOURNAL_STREAM": "1:1"}, writing), "of a parent's stderr"
        assert not read_by_journal({}, writing)
    finally:
        os.close(reading)
        os.close(writing)
    assert not read_by_journal(named, writing)


@pytest.mark.parametrize(
    ("journal", "line"), [(True, "<4>a\\u202e\n<4>b"), (False, "WARNING a\\u202e\nb")]
)
def test_a_record_has_its_weight_on_every_line_and_moves_no_cursor(
    *, journal: bool, line: str
) -> None:
    record = logging.LogRecord("ctl", logging.WARNING, "", 1, "a\u202e\nb", (), None)
    assert Lines(ValueMasker(), journal=journal).format(record).endswith(line)


@pytest.mark.usefixtures("quiet")
def test_libraries_tell_of_warnings_alone() -> None:
    stream = io.StringIO()
    write_logs(ValueMasker(), {}, debug=False, stream=stream)
    logging.getLogger("httpx").info("no news")
    logging.getLogger("ctl.test").info("news")
    assert "no news" not in stream.getvalue()
    assert stream.getvalue().endswith("INFO news\n")
