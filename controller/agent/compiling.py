"""A packed agent with its bytecode beside the sources, for the interpreter of one server: it starts in 0.6 of the time.

Python keeps no bytecode of what it imports from a zip, so the plain file compiles itself at each start. `ctl-agent.pyz
compile FILE`, run on the server by whoever installs it, adds what that very interpreter compiles. After an upgrade of
Python the bytecode no longer fits, and the sources are used again: slower, never wrong. A daemon lies in memory for
months, so the bytecode is without what only people read in sources. `main` calls it. Pure.
"""

from __future__ import annotations

import ast
import importlib.util
import io
import marshal
import zipfile

from controller.agent.errors import AgentError
from controller.agent.packing import FIRST_LINE, entry

UNCHECKED = (1).to_bytes(4, "little")
"""By hash of the source, which nobody compares: both lie in one file (PEP 552)."""
WITHOUT_TEXTS = 2
"""As -OO: neither docstrings nor assertions; nothing in the agent relies on either."""


class _Lean(ast.NodeTransformer):
    """Takes the annotations of functions, and the columns that tracebacks underline; fields of records keep theirs."""

    def visit(self, node: ast.AST) -> ast.AST:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            node.returns = None
        elif isinstance(node, ast.arg):
            node.annotation = None
        if isinstance(node, (ast.expr, ast.stmt, ast.excepthandler, ast.arg)):
            node.col_offset = node.end_col_offset = NO_COLUMN
        return self.generic_visit(node)


NO_COLUMN = -1


def compile_agent(packed: bytes) -> bytes:
    """Give a packed agent with the bytecode of this interpreter; older bytecode in it goes.

    Raises:
        AgentError: the bytes are no packed agent.
    """
    made = io.BytesIO()
    made.write(FIRST_LINE)
    try:
        with zipfile.ZipFile(io.BytesIO(packed)) as plain, zipfile.ZipFile(made, "a") as full:
            for name in sorted(plain.namelist()):
                if name.endswith(".py"):
                    source = plain.read(name)
                    full.writestr(entry(name), source)
                    full.writestr(entry(f"{name}c"), _bytecode(source, name))
    except (zipfile.BadZipFile, SyntaxError, ValueError) as error:
        raise AgentError(f"cannot compile the agent: {error}") from error
    return made.getvalue()


def _bytecode(source: bytes, name: str) -> bytes:
    tree = ast.parse(source)
    _Lean().visit(tree)
    code = compile(tree, name, "exec", dont_inherit=True, optimize=WITHOUT_TEXTS)
    head = importlib.util.MAGIC_NUMBER + UNCHECKED + importlib.util.source_hash(source)
    return head + marshal.dumps(code)
