"""The process that touches Jinja: reads batches on stdin, answers each item on stdout, and dies at its limits.

Started by `renderer` alone. Everything it is given is hostile: it has no loader, no imports, no environment, no way to
open files or processes, and limits of memory and time that its parent cannot forget. A frame is four bytes of length,
big-endian, and JSON. It answers item by item, so that the parent knows which one killed it.
"""

import codecs
import json
import os
import re
import resource
import shlex
import signal
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import BinaryIO, Final, TypedDict

import jinja2
import jinja2.debug  # Jinja would import it later, when this process may open no more files
from jinja2 import meta, nodes
from jinja2.environment import Template, TemplateExpression
from jinja2.exceptions import SecurityError, TemplateSyntaxError, UndefinedError
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from controller.declaration.renderer_syntax import SECRET_FUNCTION, secret_calls, value_paths

MEMORY: Final = 256 << 20
CPU_SECONDS: Final = 2.0
WALL_SECONDS: Final = 20.0
OUTPUT_LIMIT: Final = 1 << 20
ANSWER_LIMIT: Final = 8 << 20
KEPT: Final = 2048
OPENING: Final = "\0secret:"
"""What goes before a secret's name in a rendered file; NUL goes behind (`SECRET_OPEN` and `SECRET_CLOSE` of the model)."""
SECRET_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")

FILTERS: Final = frozenset(
    {
        "abs",
        "batch",
        "capitalize",
        "count",
        "d",
        "default",
        "dictsort",
        "first",
        "float",
        "groupby",
        "indent",
        "int",
        "items",
        "join",
        "last",
        "length",
        "list",
        "lower",
        "map",
        "max",
        "min",
        "reject",
        "rejectattr",
        "replace",
        "reverse",
        "round",
        "select",
        "selectattr",
        "slice",
        "sort",
        "string",
        "sum",
        "title",
        "trim",
        "truncate",
        "unique",
        "upper",
        "urlencode",
        "wordcount",
    }
)
"""Of Jinja's own filters those whose result depends on nothing but their input and that reach no attribute by name."""
GLOBALS: Final = ("range", "dict", "namespace")

Answer = dict[str, object]


class Batch(TypedDict):
    """What the parent asks: items are (kind, index of a text, index of a context)."""

    items: list[tuple[str, int, int]]
    texts: list[str]
    contexts: list[dict[str, object]]


class Missing(jinja2.StrictUndefined):
    """An undefined value whose error says only the name; the parent knows what would have been there."""

    __slots__ = ()
    __repr__ = (
        jinja2.StrictUndefined.__str__
    )  # else a list shows what is missing as the word Undefined

    @property
    def _undefined_message(self) -> str:
        return self._undefined_hint or f"\0{self._undefined_name}"


class Sandbox(ImmutableSandboxedEnvironment):
    """Jinja without loaders; a key of a mapping comes before a method of the same name."""

    def getattr(self, obj: object, attribute: str) -> object:
        """Read `obj.attribute` in a template."""
        if isinstance(obj, Mapping) and attribute in obj:
            return obj[attribute]
        return super().getattr(obj, attribute)


def _to_json(value: object) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def _wrap(value: object, width: int = 79) -> str:
    return "\n".join(textwrap.wrap(str(value), max(int(width), 1)))


def sandbox() -> Sandbox:
    """Make the environment that all templates are compiled in."""
    made = Sandbox(undefined=Missing, keep_trailing_newline=True, trim_blocks=True, cache_size=0)
    made.filters = {name: made.filters[name] for name in sorted(FILTERS)}
    made.filters["quote"] = lambda value: shlex.quote(str(value))
    made.filters["tojson"] = _to_json
    made.filters["wordwrap"] = _wrap
    made.globals = {name: made.globals[name] for name in GLOBALS}
    return made


def _failure(kind: str, message: str, line: int = 1) -> Answer:
    return {"error": kind, "message": message[:500], "line": line}


def _line(template: Template, trace: TracebackType | None) -> int:
    line = 1
    while trace is not None:
        if trace.tb_frame.f_globals is template.root_render_func.__globals__:
            line = template.get_corresponding_lineno(trace.tb_lineno)
        trace = trace.tb_next
    return line


class Worker:
    """Compiles and runs; what it compiled is kept, because batches come back to the same texts."""

    def __init__(self) -> None:
        self._sandbox = sandbox()
        self._templates: dict[str, Template] = {}
        self._expressions: dict[str, TemplateExpression] = {}

    def _template(self, text: str) -> Template:
        found = self._templates.get(text)
        if found is None:
            if len(self._templates) >= KEPT:
                self._templates.clear()
            found = self._templates[text] = self._sandbox.from_string(text)
        return found

    def _expression(self, text: str) -> TemplateExpression:
        found = self._expressions.get(text)
        if found is None:
            if len(self._expressions) >= KEPT:
                self._expressions.clear()
            found = self._sandbox.compile_expression(text, undefined_to_none=False)
            self._expressions[text] = found
        return found

    def _tree(self, text: str, *, expression: bool) -> nodes.Template:
        if not expression:
            return self._sandbox.parse(text)
        parser = Parser(self._sandbox, text, state="variable")
        value = parser.parse_expression()
        if not parser.stream.eos:
            raise TemplateSyntaxError("chunk after expression", parser.stream.current.lineno)
        tree = nodes.Template([nodes.Output([value], lineno=1)], lineno=1)
        tree.set_environment(self._sandbox)
        return tree

    def study(self, text: str, *, expression: bool) -> Answer:
        """Compile a text and tell which values it can reach, as paths, with the line of each."""
        tree = self._tree(text, expression=expression)
        for kind in (nodes.Include, nodes.Extends, nodes.Import, nodes.FromImport):
            for found in tree.find_all(kind):
                return _failure("syntax", "a template cannot load another one", found.lineno)
        free = meta.find_undeclared_variables(tree) - set(GLOBALS)
        paths = {path: line for path, line in reversed(list(value_paths(tree))) if path[0] in free}
        if expression:
            self._expression(text)
        else:
            self._template(text)
        calls = (
            sorted(secret_calls(tree), key=lambda call: call[0]) if SECRET_FUNCTION in free else []
        )
        said: Answer = {
            "paths": [[line, *path] for path, line in paths.items()],
            "secrets": [[line, name] for line, name, alone in calls if alone],
            "misplaced": next((line for line, _, alone in calls if not alone), None),
        }
        return {"ok": said}

    def deliver(self, text: str, context: dict[str, object]) -> Answer:
        """Render the text of a file, in which secret() may stand.

        What stands for a secret while it is rendered cannot be guessed, so that no value can make itself one.
        """
        opening = f"\0{os.urandom(16).hex()}:"
        answer = self.render(text, {**context, SECRET_FUNCTION: _sealed(opening)}, opening)
        rendered = answer.get("ok")
        return {"ok": rendered.replace(opening, OPENING)} if isinstance(rendered, str) else answer

    def render(self, text: str, context: dict[str, object], opening: str = "") -> Answer:
        """Render a template to at most `OUTPUT_LIMIT` characters; NUL only as `opening` has it."""
        template = self._template(text)
        pieces: list[str] = []
        size = 0
        for piece in template.root_render_func(template.new_context(context)):
            size += len(piece)
            if size > OUTPUT_LIMIT:
                return _failure("too-large", f"renders to more than {OUTPUT_LIMIT} characters")
            pieces.append(piece)
        rendered = "".join(pieces)
        if rendered.count("\0") != (2 * rendered.count(opening) if opening else 0):
            return _failure("value", "renders a NUL character")
        rendered.encode()
        return {"ok": rendered}

    def evaluate(self, text: str, context: dict[str, object]) -> Answer:
        """Evaluate an expression that must be true or false."""
        value = self._expression(text)(context)
        if isinstance(value, jinja2.Undefined):
            str(value)
        if not isinstance(value, bool):
            return _failure("value", f"gives {type(value).__name__}, not true or false")
        return {"ok": value}

    def guarded(self, kind: str, text: str, context: dict[str, object]) -> Answer:
        """Do one item; whatever a template raises becomes an answer."""
        try:
            return self._do(kind, text, context)
        except TemplateSyntaxError as error:
            return _failure("syntax", error.message or "not a template", error.lineno)
        except MemoryError:
            return _failure("too-large", "needs more memory than a template may have")
        except RecursionError:
            return _failure("too-large", "is nested too deeply")
        except Exception as error:  # noqa: BLE001 - templates may raise anything; all of it is their fault
            return self._explain(error, text)

    def _do(self, kind: str, text: str, context: dict[str, object]) -> Answer:
        match kind:
            case "study" | "study-expression":
                return self.study(text, expression=kind != "study")
            case "render":
                return self.render(text, context)
            case "render-delivered":
                return self.deliver(text, context)
            case _:
                return self.evaluate(text, context)

    def _explain(self, error: Exception, text: str) -> Answer:
        template = self._templates.get(text)
        if template is None and text in self._expressions:
            template = self._expressions[text]._template  # noqa: SLF001 - the only way to its line numbers
        line = 1 if template is None else _line(template, error.__traceback__)
        message = str(error)
        if isinstance(error, UndefinedError):
            if message.startswith("\0"):
                return {**_failure("undefined", "", line), "name": message[1:200]}
            return _failure("value", message, line)
        if isinstance(error, SecurityError):
            return _failure("sandbox", message, line)
        return _failure("value", f"{type(error).__name__}: {message}", line)


def _sealed(opening: str) -> Callable[[object], str]:
    def secret(name: object) -> str:
        if not isinstance(name, str) or not SECRET_NAME.fullmatch(name):
            raise ValueError("secret() takes the name of a secret")
        return f"{opening}{name}\0"

    return secret


def _read(stream: BinaryIO) -> Batch | None:
    head = stream.read(4)
    if not head:
        return None
    batch: Batch = json.loads(stream.read(int.from_bytes(head, "big")))
    return batch


def _limit() -> None:
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    most = MEMORY if hard == resource.RLIM_INFINITY else min(MEMORY, hard)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))


def _answers(worker: Worker, batch: Batch) -> Iterator[bytes]:
    told = 0
    for kind, text, context in batch["items"]:
        answer: Answer = {"again": True}
        if told < ANSWER_LIMIT:
            answer = worker.guarded(kind, batch["texts"][text], batch["contexts"][context])
        body = json.dumps(answer).encode()
        told += len(body)
        yield len(body).to_bytes(4, "big") + body


def main() -> None:
    """Serve batches until stdin ends. The alarms kill, even inside one long operation: nobody handles them."""
    codecs.lookup("unicode_escape")  # for string literals; found on disk, so it must be found now
    _limit()
    worker = Worker()
    while (batch := _read(sys.stdin.buffer)) is not None:
        signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
        signal.setitimer(signal.ITIMER_REAL, WALL_SECONDS)
        for answer in _answers(worker, batch):
            sys.stdout.buffer.write(answer)
            sys.stdout.buffer.flush()
        signal.setitimer(signal.ITIMER_PROF, 0.0)
        signal.setitimer(signal.ITIMER_REAL, 0.0)
