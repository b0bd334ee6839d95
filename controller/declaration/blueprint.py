"""What a target asks for before anything is rendered: every text and value of its work, by input name.

Made once a target by `pairs` and `checks`; the same for every server. Nothing here knows a server.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from controller.declaration.templates import Site, is_template
from controller.model.declaration import Target
from controller.model.diagnostic import NOWHERE, Place
from controller.model.files import FileSpec
from controller.model.task import Step, Task

Places = Mapping[str, Place]


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePlan:
    """One delivered file: a text for `content` and templates, the bytes themselves for sources."""

    spec: FileSpec
    path: Site
    text: Site | None = None
    blob: bytes = b""

    @property
    def name(self) -> str:
        """What its inputs are called before its path is rendered."""
        return f"files.{self.spec.path}"

    @property
    def origin(self) -> Place:
        """Say where the key stands that gives its content."""
        for key in ("content", "template", "source"):
            if key in self.spec.places:
                return self.spec.places[key]
        return self.place("path")

    def place(self, key: str) -> Place:
        """Say where one of its keys is written."""
        return _place(self.spec.places, key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Blueprint:
    """Texts that may be templates, and what goes with them.

    `params` maps parameter names to values as written, `texts` input names to texts. `commands` (`health`, `revert`) are
    rendered for every pair and are no inputs. `probes` (`check`, a `revert` that is not used) are rendered only when
    somebody asks.
    """

    target: Target
    task: Task
    params: Mapping[str, object]
    texts: Mapping[str, Site]
    files: tuple[FilePlan, ...] = ()
    commands: Mapping[str, Site] = field(default_factory=dict)
    probes: Mapping[str, Site] = field(default_factory=dict)

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

    def counted(self) -> Iterator[Site]:
        """List the texts that enter the digest, beside those of the parameters."""
        yield from self.texts.values()
        for file in self.files:
            yield file.path
            if file.text is not None:
                yield file.text

    def rendered(self, *, checks: bool) -> Iterator[Site]:
        """List the texts that see the parameters, those of probes too when they are wanted."""
        yield from self.counted()
        yield from self.commands.values()
        if checks:
            yield from self.probes.values()

    def sites(self, *, checks: bool = True) -> Iterator[Site]:
        """List every text, those of probes too when they are wanted."""
        yield from self.param_sites()
        yield from self.rendered(checks=checks)

    def for_check(self) -> "Blueprint":
        """Keep what a `check:` runs with: parameters, environment, user and working folder."""
        texts = {name: site for name, site in self.texts.items() if name.startswith(CHECKED)}
        return replace(self, texts=texts, files=(), commands={})


CHECKED: Final = ("env.", "user", "workdir")


def blueprint(target: Target, task: Task, blobs: Mapping[str, bytes]) -> Blueprint:
    """Lay out the work of a target; `blobs` are the bytes of every template and source."""
    texts: dict[str, Site] = {}

    def add(name: str, text: str | None, places: Places, key: str) -> None:
        if text is not None:
            place = _place(places, key)
            texts[name] = Site(name=name, text=text, place=place, expression=key == "when")

    for key, text in task.env.items():
        add(f"env.{key}", text, task.places, f"env.{key}")
    add("user", task.user, task.places, "user")
    add("workdir", task.workdir, task.places, "workdir")
    if task.checkout is not None:
        add("checkout.path", task.checkout.path, task.checkout.places, "path")
    for step in task.steps:
        prefix = f"steps.{step.name}."
        for key, text in step.env.items():
            add(f"{prefix}env.{key}", text, step.places, f"env.{key}")
        for key, written in (("run", step.run), ("user", step.user), ("workdir", step.workdir)):
            add(prefix + key, written, step.places, key)
        add(f"{prefix}when", step.when, step.places, "when")
    commands, probes = _beside(target, task)
    return Blueprint(
        target=target,
        task=task,
        params=target.params,
        texts=texts,
        files=tuple(_file(spec, blobs) for spec in task.files),
        commands=commands,
        probes=probes,
    )


def _beside(target: Target, task: Task) -> tuple[dict[str, Site], dict[str, Site]]:
    """Lay out what is no input: commands that every pair has, and those that are only looked at."""
    commands: dict[str, Site] = {}
    probes: dict[str, Site] = {}
    rollout = target.rollout
    if rollout is not None and rollout.health is not None:
        at = target.places.get("rollout.health") or _place(target.places, "rollout")
        commands["health"] = Site(name="health", text=rollout.health, place=at)
    if task.revert is not None:
        used = commands if rollout is not None and rollout.confirm is not None else probes
        at = task.places.get("revert.run") or _place(task.places, "revert")
        used["revert"] = Site(name="revert", text=task.revert, place=at)
    if task.check is not None:
        probes["check"] = Site(name="check", text=task.check, place=_place(task.places, "check"))
    return commands, probes


def _file(spec: FileSpec, blobs: Mapping[str, bytes]) -> FilePlan:
    name = f"files.{spec.path}"
    path = Site(name=f"{name}.path", text=spec.path, place=_place(spec.places, "path"))
    if spec.source is not None:
        return FilePlan(spec=spec, path=path, blob=blobs[spec.source])
    key = "content" if spec.template is None else "template"
    written = spec.content or "" if spec.template is None else blobs[spec.template].decode()
    text = Site(
        name=f"{name}.content",
        text=written,
        place=_place(spec.places, key),
        delivered=True,
        file=spec.template,
    )
    return FilePlan(spec=spec, path=path, text=text)


def step_place(step: Step, key: str) -> Place:
    """Say where a key of a step is written."""
    return _place(step.places, key)


def _place(places: Places, key: str) -> Place:
    return places.get(key) or places.get("", NOWHERE)


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
