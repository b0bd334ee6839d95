"""What templates see, which of it a text uses, and what is wrong with a text before anything is rendered.

Called by `pairs` and `checks`. Calls `renderer` to compile; Jinja itself is never in this process.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from controller.declaration.renderer import Failure, Renderer, Study
from controller.declaration.suggest import among, did_you_mean
from controller.model.declaration import Target
from controller.model.diagnostic import Diagnostic, Place
from controller.model.task import Task

Path = tuple[str, ...]

FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "server": ("name", "address", "groups", "labels"),
    "target": ("name",),
    "repo": ("name", "branch"),
    "commit": ("sha", "short_sha", "branch", "date"),
}
"""What the names offer; `vars` and `params` offer what is declared. Of a commit nothing that its author writes."""
NAMES: Final = ("vars", "params", "server", "target", "repo", "commit")
STEP_FIELDS: Final = ("state", "outputs")
_STUDY_KINDS: Final[Mapping[str, str]] = {
    "syntax": "template-syntax",
    "undefined": "undefined-name",
    "sandbox": "template-sandbox",
    "too-large": "template-limits",
    "limits": "template-limits",
    "value": "template-value",
    "opaque": "template-opaque",
    "path": "bad-path",
    "secret": "unknown-secret",
    "size": "file-too-large",
    "twice": "same-path",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One text that may be a template, and where it is written.

    `name` says it in words ("steps.fetch.run"). An `expression` is a `when:`. The value of a parameter cannot see
    `params`. What is `delivered` is the text of a file on a server: it alone may use secret(). `file` is the template of
    the config repository that holds the text; None: it stands at `place`.
    """

    name: str
    text: str
    place: Place
    expression: bool = False
    delivered: bool = False
    file: str | None = None

    @property
    def templated(self) -> bool:
        """Whether it has to be rendered at all."""
        return self.expression or is_template(self.text)

    @property
    def visible(self) -> tuple[str, ...]:
        """The names it may use."""
        if self.expression:
            return (*NAMES, "steps")
        return (
            NAMES
            if not self.name.startswith("params.")
            else tuple(n for n in NAMES if n != "params")
        )


def is_template(text: str) -> bool:
    """Say whether a text holds anything for Jinja; what holds nothing is never rendered."""
    return "{{" in text or "{%" in text


def diagnose(
    site: Site, failure: Failure, *, message: str | None = None, hint: str | None = None
) -> Diagnostic:
    """Turn a failure of a text into a finding at its line."""
    return Diagnostic(
        code=_STUDY_KINDS.get(failure.kind, "template-value"),
        message=f"{site.name}: {message or failure.message}",
        place=line_of(site, failure.line),
        hint=hint,
    )


def line_of(site: Site, line: int) -> Place:
    """Find line `line` (from 1) of a text: a text of several lines is a block that begins under its key."""
    if site.file is not None:
        return Place(file=site.file, line=line)
    if "\n" not in site.text:
        return site.place
    return Place(file=site.place.file, line=site.place.line + line)


class Studies:
    """What every text can reach; each text is compiled once a command."""

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer
        self._known: dict[tuple[str, bool], Study | Failure] = {}

    def learn(self, sites: Iterable[Site]) -> None:
        """Compile what was not compiled yet, in as few batches as can be."""
        for expression in (False, True):
            texts = dict.fromkeys(
                site.text
                for site in sites
                if site.templated
                and site.expression is expression
                and (site.text, expression) not in self._known
            )
            answers = self._renderer.study(list(texts), expressions=expression) if texts else []
            self._known |= {(t, expression): a for t, a in zip(texts, answers, strict=True)}

    def paths(self, site: Site) -> Mapping[Path, int]:
        """Say which values a text can reach, by path, with the line of the first use."""
        known = self._known.get((site.text, site.expression))
        return known.paths if isinstance(known, Study) else {}

    def chosen_secret(self, site: Site) -> int:
        """Give the line on which a text first chooses a secret by a value, or else its first line."""
        known = self._known.get((site.text, site.expression))
        calls = known.secrets if isinstance(known, Study) else ()
        return next((line for line, name in calls if name is None), 1)

    def findings(
        self, site: Site, target: Target, task: Task, secrets: Collection[str] = ()
    ) -> Iterator[Diagnostic]:
        """Say what is wrong with a text for a target, whatever the server; `secrets` are those declared."""
        known = self._known.get((site.text, site.expression))
        if isinstance(known, Failure):
            yield diagnose(site, known, hint=_syntax_hint(known))
        if isinstance(known, Study) and site.delivered:
            yield from _of_secrets(site, known, secrets)
        for path, line in self.paths(site).items():
            problem = _problem(path, site, target, task)
            if problem is not None:
                code, message, hint = problem
                yield Diagnostic(
                    code=code,
                    message=f"{site.name}: {message}",
                    place=line_of(site, line),
                    hint=hint,
                )


def _of_secrets(site: Site, study: Study, secrets: Collection[str]) -> Iterator[Diagnostic]:
    if study.misplaced is not None:
        yield Diagnostic(
            code="secret-in-template",
            message=f"{site.name}: secret() must stand alone, outside of macros, blocks and filters: "
            "its value is put in after the text is rendered",
            place=line_of(site, study.misplaced),
            hint="write {{ secret('NAME') }} where the value goes",
        )
    for line, name in study.secrets:
        if name is not None and name not in secrets:
            yield Diagnostic(
                code="unknown-secret",
                message=f"{site.name}: no secret is called {name[:60]!r}",
                place=line_of(site, line),
                hint=among(name, secrets, what="secret"),
            )


def _syntax_hint(failure: Failure) -> str | None:
    if failure.kind == "syntax" and "filter" not in failure.message:
        return "braces that are not for us go between {% raw %} and {% endraw %}"
    return None


_Problem = tuple[str, str, str | None]


def _problem(path: Path, site: Site, target: Target, task: Task) -> _Problem | None:
    root = path[0]
    if root == "secret" and site.delivered:
        return None
    if root == "secret":
        return (
            "secret-in-template",
            "secret() cannot be used here",
            "name it under the task's secrets: (NAME: secret) and read $NAME from the environment",
        )
    if root not in site.visible:
        message = f"{root} is not defined; a template sees {' '.join(site.visible)}"
        return "undefined-name", message, did_you_mean(root, site.visible)
    if root in {"repo", "commit"} and target.repo is None:
        return "undefined-name", f"{root} is not defined: target {target.name} has no repo", None
    if len(path) > 1:
        return _field_problem(path, task)
    return None


def _field_problem(path: Path, task: Task) -> _Problem | None:
    root, field = path[0], path[1]
    offered: Iterable[str] | None = FIELDS.get(root)
    if root == "params":
        offered = task.params
    elif root == "steps":
        return _step_problem(path, task)
    if offered is None or field in offered:
        return None
    hint = did_you_mean(field, offered)
    if root == "commit":
        hint = (
            hint
            or "message and author reach a job only as CTL_COMMIT_MESSAGE and CTL_COMMIT_AUTHOR"
        )
    return "undefined-name", f"{root}.{field} is not defined", hint


def _step_problem(path: Path, task: Task) -> _Problem | None:
    names = [step.name for step in task.steps]
    if path[1] not in names:
        return (
            "undefined-name",
            f"task {task.name} has no step {path[1]}",
            did_you_mean(path[1], names),
        )
    if len(path) > 2 and path[2] not in STEP_FIELDS:  # noqa: PLR2004 - steps, NAME, field
        message = (
            f"steps.{path[1]}.{path[2]} is not defined; a step shows {' and '.join(STEP_FIELDS)}"
        )
        return "undefined-name", message, did_you_mean(path[2], STEP_FIELDS)
    return None
