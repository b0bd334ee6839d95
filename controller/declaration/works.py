"""One distinct piece of work: its texts rendered for a group of servers, and hashed.

Called by `pairs` and `checks`.
"""

import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from controller.declaration.blueprint import Blueprint, FilePlan, filled, step_place
from controller.declaration.contents import Contents, facts
from controller.declaration.implicit import with_implicit
from controller.declaration.inputs import Inputs, Sourced, checkout_facts, secret_facts, step_facts
from controller.declaration.params import complaints
from controller.declaration.renderer import Failure
from controller.declaration.rendering import Question, Rendering, Values
from controller.declaration.templates import Site
from controller.declaration.traces import UNTRACED, Trace
from controller.model.diagnostic import Place
from controller.model.digest import input_digest
from controller.model.files import CheckoutWork
from controller.model.task import Param, Step
from controller.model.work import Input, StepWork, Work


@dataclass(slots=True, kw_only=True)
class Rendered:
    """The texts of a blueprint with the values of one group; incomplete where there are `failures`.

    `sees` holds what each `when` uses, by input name.
    """

    values: dict[str, object]
    params: dict[str, object] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    sees: dict[str, Mapping[str, object]] = field(default_factory=dict)
    failures: list[tuple[Site, Failure]] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Maker:
    """What the works of one target share: what was made so far, traces of its inputs, bytes of scripts.

    `files` holds the inputs of files by name, path and content.
    """

    inputs: Inputs
    contents: Contents
    traces: Mapping[str, Trace]
    scripts: Mapping[str, bytes]
    files: dict[tuple[str, str, int], Mapping[str, Input]] = field(default_factory=dict)


def render_values(
    plan: Blueprint, groups: Sequence[Values], rendering: Rendering, texts: Sequence[Site]
) -> list[Rendered]:
    """Render a blueprint for many groups at once: first the parameters, then the `texts`, which see them."""
    found = [Rendered(values=dict(values)) for values in groups]
    sites = list(plan.param_sites())
    for one in found:
        rendering.ask(sites, one.values)
    rendering.settle()
    for one in found:
        _fill_params(plan, one, rendering)
        one.values["params"] = one.params
    asked = [rendering.ask(texts, one.values) for one in found]
    rendering.settle()
    for one, questions in zip(found, asked, strict=True):
        _fill_texts(zip(texts, questions, strict=True), one, rendering)
    return found


def _fill_params(plan: Blueprint, one: Rendered, rendering: Rendering) -> None:
    for name, written in plan.params.items():
        place = plan.place_of(name)

        def render(text: str, name: str = name) -> object:
            site = Site(name=f"params.{name}", text=text, place=plan.place_of(name))
            (question,) = rendering.ask([site], one.values)
            answer = rendering.answer(site, question)
            if isinstance(answer, Failure):
                one.failures.append((site, answer))
                return text
            return answer

        value = filled(written, render)
        param = plan.task.params.get(name)
        if param is not None and value != written and isinstance(value, str):
            value = typed(value, param)
            if isinstance(value, Failure):
                one.failures.append((Site(name=f"params.{name}", text="", place=place), value))
                continue
        one.params[name] = value


def _fill_texts(
    asked: Iterable[tuple[Site, Question]], one: Rendered, rendering: Rendering
) -> None:
    for site, question in asked:
        answer = rendering.answer(site, question)
        if isinstance(answer, Failure):
            one.failures.append((site, answer))
        else:
            one.texts[site.name] = answer
        if site.expression:
            one.sees[site.name] = rendering.sees(site, one.values)


def typed(text: str, param: Param) -> object:
    """Read a rendered text as the type its parameter is declared with; a Failure where it does not fit the schema."""
    value: object = text
    if param.schema.get("type", "string") != "string":
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            value = text
    said = complaints(param, value)
    return Failure("value", f"does not fit once it is rendered: {said[0]}") if said else value


def work(
    plan: Blueprint,
    real: Rendered,
    hashed: Rendered,
    *,
    maker: Maker,
    sourced: Sourced | None,
) -> Work:
    """Put rendered texts together; `hashed` are the same texts as the digest shall see them."""
    task = plan.task
    made = _inputs(plan, real if hashed.failures else hashed, maker)
    if sourced is not None:
        made["source"] = maker.inputs.make(sourced.digest, plan.target.places.get("repo"))
    return Work(
        task=task.name,
        digest=input_digest({name: one.digest for name, one in made.items()}),
        inputs=made,
        steps=with_implicit(
            [_step(step, real, maker.scripts) for step in task.steps],
            task,
            plan.target.rollout,
            {name: real.texts[name] for name in plan.commands},
        ),
        env={name: real.texts[f"env.{name}"] for name in task.env},
        secrets=task.secrets,
        params=real.params,
        masked=tuple(sorted(name for name, param in task.params.items() if param.secret)),
        checkout=None
        if task.checkout is None
        else CheckoutWork(path=real.texts["checkout.path"], releases=task.checkout.releases),
        files=tuple(maker.contents.file(file, real.texts) for file in plan.files),
        user=real.texts.get("user"),
        workdir=real.texts.get("workdir"),
        timeout=task.timeout,
        limits=task.limits,
        result=task.result,
    )


def _inputs(plan: Blueprint, seen: Rendered, maker: Maker) -> dict[str, Input]:
    task = plan.task
    made: dict[str, Input] = {}

    def add(name: str, value: object, place: Place | None) -> None:
        made[name] = maker.inputs.make(value, place, maker.traces.get(name, UNTRACED))

    for step in task.steps:
        for key, fact in step_facts(step, maker.scripts).items():
            add(f"steps.{step.name}.{key}", fact, step_place(step, key))
    for name, site in plan.texts.items():
        add(name, _counted(site, seen), site.place)
    for file in plan.files:
        made |= _file_inputs(file, seen.texts, maker)
    for name, param in seen.params.items():
        add(f"params.{name}", param, plan.place_of(name))
    for name, stated in {**checkout_facts(task), **secret_facts(task)}.items():
        add(name, stated, task.places.get(name) or task.places.get(""))
    return made


def _file_inputs(file: FilePlan, texts: Mapping[str, str], maker: Maker) -> Mapping[str, Input]:
    """Make the inputs of a file, once for all groups that get the same."""
    path, content = texts[file.path.name], maker.contents.of(file, texts)
    key = (file.name, path, id(content))
    if key not in maker.files:
        maker.files[key] = {
            f"files.{path}.{one.key}": maker.inputs.make(
                one.value, one.place, maker.traces.get(f"{file.name}.{one.key}", UNTRACED)
            )
            for one in facts(file, content)
        }
    return maker.files[key]


def _counted(site: Site, seen: Rendered) -> object:
    """Give what the digest sees of a text: a condition is not rendered, what it uses counts."""
    if site.expression:
        return {"expression": site.text, "sees": seen.sees[site.name]}
    return seen.texts[site.name]


def _step(step: Step, real: Rendered, scripts: Mapping[str, bytes]) -> StepWork:
    prefix = f"steps.{step.name}."
    text = real.texts.get(f"{prefix}run", "")
    whole = step.script or step.plugin
    if whole is not None:
        text = scripts[whole].decode()
    return StepWork(
        name=step.name,
        text=text,
        script=step.script,
        uses=step.uses,
        shell=None if step.shell is None else tuple(shlex.split(step.shell)),
        env={name: real.texts[f"{prefix}env.{name}"] for name in step.env},
        workdir=real.texts.get(f"{prefix}workdir"),
        user=real.texts.get(f"{prefix}user"),
        timeout=step.timeout,
        retry=step.retry,
        when=step.when,
        sees=real.sees.get(f"{prefix}when", {}),
        needs=step.needs,
        continue_on_error=step.continue_on_error,
        idempotent=step.idempotent,
        result=step.result,
    )
