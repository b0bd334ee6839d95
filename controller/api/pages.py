"""Pages for people, without a script: made of the same documents that the API answers with.

Called by handlers of pages. Whatever is shown was first left out for strangers where the level asks for that, and everything is text.
"""

import html
import json
import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Final

from jinja2 import Environment, FunctionLoader, StrictUndefined
from starlette.responses import HTMLResponse

from controller.api.call import Call
from controller.model.safe_text import safe_text

FOLDER: Final = resources.files("controller.api") / "templates"


@cache
def read(name: str) -> str:
    """Read a file of ours."""
    return (FOLDER / name).read_text(encoding="utf-8")


def finished(value: object) -> object:
    """Make text from anywhere harmless to eyes, too: nothing hidden, nothing turned round."""
    return (
        safe_text(value, lines=True)
        if isinstance(value, str) and not hasattr(value, "__html__")
        else value
    )


def to_second(moment: object) -> object:
    """Leave out of a time what is smaller than a second: people read it."""
    return FRACTION.sub("", moment) if isinstance(moment, str) else moment


FRACTION: Final = re.compile(r"(?<=:\d\d)\.\d+")
ENVIRONMENT: Final = Environment(
    loader=FunctionLoader(read),
    autoescape=True,
    undefined=StrictUndefined,
    finalize=finished,
    trim_blocks=True,
    lstrip_blocks=True,
)
ENVIRONMENT.filters["to_second"] = to_second


def page(
    call: Call, name: str, title: str, facts: Mapping[str, object], *, status: int = 200
) -> HTMLResponse:
    """Make a page."""
    made = ENVIRONMENT.get_template(name).render(
        title=f"{title} · Tillerman",
        session=call.session,
        known=call.actor.role is not None,
        name=call.actor.name,
        **facts,
    )
    return HTMLResponse(made, status_code=status)


def pretty(document: object) -> str:
    """Write a document for people."""
    return html.unescape(json.dumps(document, indent=2, ensure_ascii=False))
