"""Scripts of the config repository by their name: which file is meant, and which is not meant to be run so."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import pytest

from controller.errors import UsageError
from controller.model.task import Result, ResultType
from controller.model.tree import Entry
from controller.reconcile.carrying.scripts import LARGEST, find_script

GREET = b"#!/bin/sh\n#::CTL::title=Says hello\necho hello\n"
EXECUTABLE, PLAIN = 0o100755, 0o100644


@dataclass(frozen=True)
class Files:
    """A tree in memory."""

    files: Mapping[str, bytes]
    mode: int = EXECUTABLE
    refused: Mapping[str, str] = field(default_factory=dict)

    @property
    def entries(self) -> Mapping[str, Entry]:
        return {
            path: Entry(path=path, blob="", mode=self.mode, size=len(data))
            for path, data in self.files.items()
        }

    def read(self, paths: Iterable[str]) -> Mapping[str, bytes]:
        return {path: self.files[path] for path in paths}


def test_a_script_is_found_by_its_name_and_summed_up() -> None:
    found = find_script(Files({"scripts/greet": GREET}), "greet")
    assert found is not None
    assert found.text == GREET
    assert found.script.sha256 == hashlib.sha256(GREET).hexdigest()
    assert (found.script.name, found.script.title) == ("greet", "Says hello")
    assert found.script.result == Result()


def test_a_final_sh_may_be_left_out_where_no_other_file_has_the_shorter_name() -> None:
    both = Files({"scripts/greet": GREET, "scripts/greet.sh": GREET + b"# longer"})
    long = Files({"scripts/greet.sh": GREET + b"# longer"})
    assert find_script(both, "greet") != find_script(both, "greet.sh")
    short = find_script(long, "greet")
    assert short is not None
    assert short.text.endswith(b"longer")


@pytest.mark.parametrize("name", ["none", "../greet", "", "/greet", "a/greet", "scripts/greet"])
def test_what_is_no_name_of_a_script_is_none(name: str) -> None:
    tree = Files({"scripts/greet": GREET, "scripts/a/greet": GREET, "greet": GREET})
    assert find_script(tree, name) is None
    assert find_script(None, "greet") is None


@pytest.mark.parametrize(
    ("text", "mode", "words"),
    [
        (GREET, PLAIN, "not executable"),
        (b"#!/bin/sh\necho hello\n", EXECUTABLE, "no header line"),
        (GREET + b"\xff", EXECUTABLE, "no UTF-8"),
        (b"", EXECUTABLE, "0 bytes"),
        (GREET + b"#" * LARGEST, EXECUTABLE, "bytes, not 1 to"),
    ],
)
def test_what_is_not_meant_or_made_to_be_run_says_why(text: bytes, mode: int, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        find_script(Files({"scripts/greet": text}, mode=mode), "greet")


@pytest.mark.parametrize(
    ("headers", "result"),
    [
        (b"#::ARTR::result-type=metric\n", Result(type=ResultType.METRIC)),
        (
            b"#::CTL::result-type=file\n#::CTL::file-name=a b\n",
            Result(type=ResultType.FILE, path="a b"),
        ),
        (b"#::CTL::result-type=file\n", Result()),
        (b"#::CTL::result-type=nonsense\n", Result()),
    ],
)
def test_the_result_is_what_the_headers_say(headers: bytes, result: Result) -> None:
    found = find_script(Files({"scripts/x": b"#!/bin/sh\n" + headers}), "x")
    assert found is not None
    assert found.script.result == result
