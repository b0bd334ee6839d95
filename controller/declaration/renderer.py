"""The renderer: one child process a command that does everything Jinja, under limits of memory and time.

Called by `templates`, `pairs` and `checks`, and by `jobs` for `when`. The child (`renderer_child`) answers item by
item; when it dies, the first item without an answer is tried alone in a new child, and when that dies too, its text is
guilty: it fails wherever it is used, and everything else is rendered.
"""

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, takewhile
from pathlib import Path
from select import POLLIN, poll
from threading import Lock
from types import TracebackType
from typing import Final, Self

from controller.errors import DeclarationError

BATCH: Final = 256
TEXT_LIMIT: Final = 1 << 20
REQUEST_LIMIT: Final = 4 << 20
FRAME_LIMIT: Final = 16 << 20
TOTAL_LIMIT: Final = 256 << 20
"""Everything one command may render, in characters."""
DEATHS: Final = 12
"""After so many dead children nothing more is rendered: somebody means harm."""
SILENCE: Final = 30_000
"""Milliseconds without a byte after which a child is taken for dead; its own alarms come long before."""

_BOOT: Final = "import sys; sys.path[:0] = sys.argv[1:]; from controller.declaration.renderer_child import main; main()"

Context = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a text gave no value: `kind` is a word for codes, `line` counts from 1 within the text.

    `name` is the undefined name, where that is what was wrong.
    """

    kind: str
    message: str
    line: int = 1
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Study:
    """Which values a text can reach: paths such as ("vars", "app", "port"), each with its first line.

    `secrets` are the calls of secret() with their lines, name None where a value chooses it; `misplaced` is the line of
    one that does not stand alone.
    """

    paths: Mapping[tuple[str, ...], int]
    secrets: tuple[tuple[int, str | None], ...] = ()
    misplaced: int | None = None


@dataclass(frozen=True, slots=True)
class _Item:
    kind: str
    text: str
    context: Context


_STRUCK = Failure("limits", "takes more than 2 s or 256 MB")
_STOPPED = Failure("limits", "not rendered: too many other templates ran over their limits")


class Renderer:
    """Renders templates in a child process; a context manager that starts the child at first use.

    Threads may share one: they wait for each other.
    """

    def __init__(self) -> None:
        self._child: _Child | None = None
        self._guilty: dict[str, Failure] = {}
        self._deaths = 0
        self._total = 0
        self._lock = Lock()

    def __enter__(self) -> Self:
        """Begin; nothing is started yet."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the child."""
        self._end()

    def study(self, texts: Sequence[str], *, expressions: bool = False) -> list[Study | Failure]:
        """Compile texts and say what they can reach, or what is wrong with them."""
        kind = "study-expression" if expressions else "study"
        answers = self._ask([_Item(kind, text, {}) for text in texts])
        return [a if isinstance(a, Failure) else _study(a) for a in answers]

    def render(
        self, items: Iterable[tuple[str, Context]], *, delivered: bool = False
    ) -> list[str | Failure]:
        """Render texts, each with its context of JSON types; those `delivered` as files may use secret()."""
        kind = "render-delivered" if delivered else "render"
        answers = self._ask([_Item(kind, text, context) for text, context in items])
        return [a if isinstance(a, Failure) else str(a) for a in answers]

    def evaluate(self, expression: str, context: Context) -> bool:
        """Evaluate a `when:` expression.

        Raises:
            DeclarationError: it cannot be evaluated, or gives something other than true or false.
        """
        (answer,) = self._ask([_Item("evaluate", expression, context)])
        if isinstance(answer, Failure):
            reason = f"{answer.name} is not defined" if answer.name else answer.message
            raise DeclarationError(f"cannot evaluate when: {expression[:200]}: {reason}")
        return answer is True

    def _ask(self, items: Sequence[_Item]) -> list[object]:
        """Answer every item, in order: what the child said, or a failure; one caller at a time."""
        with self._lock:
            return self._ask_alone(items)

    def _ask_alone(self, items: Sequence[_Item]) -> list[object]:
        answers: list[object] = []
        alone = False
        while len(answers) < len(items):
            first = items[len(answers)]
            known = self._known(first)
            if known is not None:
                answers.append(known)
                continue
            asked = self._askable(
                islice(items, len(answers), len(answers) + (1 if alone else BATCH))
            )
            given = list(self._answers(asked))
            answers += given
            died = self._child is None
            if died and not given and len(asked) == 1:
                self._guilty[first.text] = _STRUCK
            alone = died
        return answers

    def _known(self, item: _Item) -> Failure | None:
        if len(item.text) > TEXT_LIMIT:
            return Failure("too-large", f"is longer than {TEXT_LIMIT} characters")
        if self._total > TOTAL_LIMIT:
            return Failure(
                "limits", f"templates render to more than {TOTAL_LIMIT >> 20} MiB together"
            )
        if self._deaths >= DEATHS:
            return self._guilty.get(item.text, _STOPPED)
        return self._guilty.get(item.text)

    def _askable(self, items: Iterable[_Item]) -> list[_Item]:
        """Take items up to the next one that is known to fail."""
        return list(takewhile(lambda item: self._known(item) is None, items))

    def _answers(self, items: Sequence[_Item]) -> Iterator[object]:
        """Ask the child; give answers until it has answered all, wants to be asked again, or dies."""
        if self._child is None:
            self._child = _Child()
        request, count = _request(items)
        try:
            for answer in self._child.ask(request, count):
                if "again" not in answer:
                    yield self._read(answer)
        except _DiedError:
            self._deaths += 1
            self._end()

    def _read(self, answer: Mapping[str, object]) -> object:
        if "ok" in answer:
            value = answer["ok"]
            self._total += len(value) if isinstance(value, str) else 0
            return value
        line = answer.get("line")
        name = answer.get("name")
        return Failure(
            kind=str(answer.get("error")),
            message=str(answer.get("message")),
            line=line if isinstance(line, int) else 1,
            name=name if isinstance(name, str) else None,
        )

    def _end(self) -> None:
        if self._child is not None:
            self._child.close()
            self._child = None


class _DiedError(Exception):
    """The child did not answer."""


class _Child:
    """The process and its two pipes."""

    def __init__(self) -> None:
        roots = dict.fromkeys(map(_root, ("controller", "jinja2", "markupsafe")))
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-B", "-c", _BOOT, *roots],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"LANG": "C.UTF-8"},
            cwd="/",
            bufsize=0,
            start_new_session=True,  # Ctrl-C is for the command; the child ends with its pipes
        )
        if self._process.stdin is None or self._process.stdout is None:
            raise _DiedError
        self._stdin, self._stdout = self._process.stdin, self._process.stdout
        self._read = bytearray()
        self._waiter = poll()
        self._waiter.register(self._stdout, POLLIN)

    def ask(self, request: bytes, count: int) -> Iterator[Mapping[str, object]]:
        """Send a batch, then give its answers one by one.

        Raises:
            _DiedError: it ended, fell silent or spoke nonsense.
        """
        waiting = memoryview(len(request).to_bytes(4, "big") + request)
        try:
            while waiting:
                waiting = waiting[os.write(self._stdin.fileno(), waiting) :]
        except OSError as error:
            raise _DiedError from error
        for _ in range(count):
            size = int.from_bytes(self._exactly(4), "big")
            if size > FRAME_LIMIT:
                raise _DiedError
            yield _decode(self._exactly(size))

    def _exactly(self, size: int) -> bytes:
        while len(self._read) < size:
            piece = os.read(self._stdout.fileno(), 65536) if self._waiter.poll(SILENCE) else b""
            if not piece:
                raise _DiedError
            self._read += piece
        taken = bytes(self._read[:size])
        del self._read[:size]
        return taken

    def close(self) -> None:
        """Kill the process and collect it."""
        self._process.kill()
        self._stdin.close()
        self._stdout.close()
        self._process.wait()


def _root(package: str) -> str:
    """Find the folder that holds a package without importing it: only the child needs Jinja."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise DeclarationError(f"cannot render templates: the package {package} is missing")
    return str(Path(spec.origin).parent.parent)


def _request(items: Sequence[_Item]) -> tuple[bytes, int]:
    """Write a batch of as many items as fit, at least one; texts and contexts that several share go once."""
    texts: dict[str, int] = {}
    contexts: dict[int, int] = {}
    written: list[str] = []
    asked: list[tuple[str, int, int]] = []
    size = 0
    for item in items:
        if id(item.context) not in contexts:
            contexts[id(item.context)] = len(written)
            written.append(json.dumps(item.context))
            size += len(written[-1])
        size += 0 if item.text in texts else len(item.text)
        if size > REQUEST_LIMIT and asked:
            break
        asked.append(
            (item.kind, texts.setdefault(item.text, len(texts)), contexts[id(item.context)])
        )
    head = json.dumps({"items": asked, "texts": list(texts)})
    return f'{head[:-1]}, "contexts": [{", ".join(written)}]}}'.encode(), len(asked)


def _decode(body: bytes) -> Mapping[str, object]:
    try:
        answer = json.loads(body)
    except ValueError as error:
        raise _DiedError from error
    if not isinstance(answer, dict):
        raise _DiedError
    return answer


def _study(answer: object) -> Study:
    """Read what the child found out of a text; what it must not say counts as nothing found."""
    found: Mapping[str, object] = answer if isinstance(answer, dict) else {}
    misplaced = found.get("misplaced")
    return Study(
        paths={tuple(map(str, row[1:])): int(str(row[0])) for row in _rows(found.get("paths"))},
        secrets=tuple(
            (int(str(row[0])), row[1] if isinstance(row[1], str) else None)
            for row in _rows(found.get("secrets"))
        ),
        misplaced=misplaced if isinstance(misplaced, int) else None,
    )


def _rows(rows: object) -> list[list[object]]:
    return rows if isinstance(rows, list) else []
