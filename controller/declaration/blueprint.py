"""What a target asks for before anything is rendered: every text and value of its work, by input name.

Made once a target by `pairs` and `checks`; the same for every server. Nothing here knows a server.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from controller.declaration.templates import Site, is_template
from controller.model.declaration import Target
from controller.model.diagnostic import NOWHERE, Place
from controller.model.task import Step, Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Blueprint:
    """`params` maps parameter names to values as written, `texts` input names to texts that may be templates."""

    target: Target
    task: Task
    params: Mapping[str, object]
    texts: Mapping[str, Site]
    check: Site | None = None

    def place_of(self, param: str) -> Place:
        """Say where a parameter gets its value: at the target, else at the task's default."""
        key = f"params.{param}"
        declared = self.task.params.get(param)
        fallback = declared.place if declared is not None else NOWHERE
        return self.target.places.get(key) or self.task.places.get(key) or fallback

    def param_sites(self) -> Iterator[Site]:
        """List the texts inside of the parameters' values."""
        for name, value in self.params.items():
            for text in _strings(value):
                yield Site(name=f"params.{name}", text=text, place=self.place_of(name))

    def sites(self, *, checks: bool = True) -> Iterator[Site]:
        """List every text, that of `check:` too when it is wanted."""
        yield from self.param_sites()
        yield from self.texts.values()
        if checks and self.check is not None:
            yield self.check


def blueprint(target: Target, task: Task) -> Blueprint:
    """Lay out the work of a target."""
    texts: dict[str, Site] = {}

    def add(name: str, text: str | None, places: Mapping[str, Place], key: str) -> None:
        if text is not None:
            place = places.get(key) or places.get("", NOWHERE)
            texts[name] = Site(name=name, text=text, place=place, expression=key == "when")

    for key, text in task.env.items():
        add(f"env.{key}", text, task.places, f"env.{key}")
    add("user", task.user, task.places, "user")
    add("workdir", task.workdir, task.places, "workdir")
    for step in task.steps:
        prefix = f"steps.{step.name}."
        for key, text in step.env.items():
            add(f"{prefix}env.{key}", text, step.places, f"env.{key}")
        for key, written in (("run", step.run), ("user", step.user), ("workdir", step.workdir)):
            add(prefix + key, written, step.places, key)
        add(f"{prefix}when", step.when, step.places, "when")
    check = None
    if task.check is not None:
        place = task.places.get("check") or task.places.get("", NOWHERE)
        check = Site(name="check", text=task.check, place=place)
    return Blueprint(target=target, task=task, params=target.params, texts=texts, check=check)


def step_place(step: Step, key: str) -> Place:
    """Say where a key of a step is written."""
    return step.places.get(key) or step.places.get("", NOWHERE)


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        if is_template(value):
            yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _strings(inner)


def filled(value: object, render: Callable[[str], object]) -> object:
    """Copy a value with every template in it replaced by what it renders to."""
    if isinstance(value, str):
        return render(value) if is_template(value) else value
    if isinstance(value, Mapping):
        return {key: filled(inner, render) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [filled(inner, render) for inner in value]
    return value
