from controller.jobs.result import ROWS, read_result
from controller.journal.artifacts import SavedFile
from controller.model.task import Result, ResultType


def test_text_is_all_of_it() -> None:
    assert read_result(Result(), b"a\n\xff\n").text == "a\n\ufffd\n"


def test_a_metric_is_the_last_line_that_is_not_empty() -> None:
    metric = Result(type=ResultType.METRIC)
    assert read_result(metric, b"noise\n 42 \n\n").value == "42"
    assert read_result(metric, b"\n").value is None


def test_a_table_is_its_rows_as_many_as_may_be_kept() -> None:
    table = Result(type=ResultType.TABLE)
    assert read_result(table, b"a b\n\nc d\n").rows == ("a b", "c d")
    assert len(read_result(table, b"x\n" * (ROWS + 1)).rows) == ROWS


def test_a_file_is_what_was_fetched() -> None:
    saved = SavedFile(path="result/x", size=1, sha256="0" * 64)
    result = Result(type=ResultType.FILE, path="/x")
    assert read_result(result, b"", saved).file == saved
