"""Steps of a task as a graph: `needs` resolved, cycles refused; called by `tasks`."""

import shlex
from collections.abc import Mapping
from typing import Final, cast

from controller.declaration.block import Block
from controller.declaration.headers import read_headers
from controller.declaration.marks import Key
from controller.declaration.plugins import check_plugin
from controller.declaration.quantities import seconds
from controller.declaration.servers import plain
from controller.declaration.suggest import among
from controller.declaration.wishes import Wishes
from controller.model.diagnostic import Place
from controller.model.task import Result, ResultType, Retry, Step

ONLY_STEP = "main"
"""The name of the step of a task in its short form."""
WAYS: Final = ("run", "script", "uses")
"""The keys that say what a step runs, of which it has one."""


class Steps:
    """Builds the steps of one task; `headers` are those of the last script met."""

    def __init__(self, wishes: Wishes, block: Block, scripts: Mapping[str, bytes]) -> None:
        """Prepare for one task; `scripts` are the bytes of every script that exists."""
        self._wishes = wishes
        self._block = block
        self._scripts = scripts
        self.headers: dict[str, str] = {}

    def build(self) -> tuple[Step, ...]:
        """Give the steps in declared order."""
        data = self._block.data
        ways = [key for key in data if key in {*WAYS, "steps"}]
        if not ways and ("files" in data or "checkout" in data):
            return ()
        if len(ways) != 1:
            self._wishes.findings.error(
                "one-of",
                f"cannot tell what `tasks.{self._block.name}` runs: expected one of run, script, uses, steps"
                + (f", got {' and '.join(ways)}" if ways else "; or files or checkout"),
                self._block.where(ways[1]) if ways else self._block.place,
            )
            return ()
        if "steps" not in data:
            short = {key: data[key] for key in (*ways, "shell") if key in data}
            return (self._step(ONLY_STEP, short, (), (), self._script(short, ())),)
        if "shell" in data:
            self._wishes.findings.error(
                "shell-of-steps",
                "cannot use `shell` beside `steps`",
                self._block.where("shell"),
                "write it in the steps that need it",
            )
        return self._many(cast("dict[str, dict[str, object]]", data["steps"]))

    def _many(self, bodies: dict[str, dict[str, object]]) -> tuple[Step, ...]:
        steps: list[Step] = []
        before: tuple[str, ...] = ()
        for name, body in bodies.items():
            path = ("steps", name)
            ways = [key for key in WAYS if key in body]
            if len(ways) != 1:
                self._wishes.findings.error(
                    "one-of",
                    f"cannot tell what the step {name} runs: expected one of run, script, uses",
                    self._block.where(*path),
                )
            needs = self._needs(name, body, before, bodies)
            steps.append(self._step(name, body, path, needs, self._script(body, path)))
            before = (name,)
        self._refuse_cycles(steps)
        return tuple(steps)

    def _needs(
        self,
        name: str,
        body: Mapping[str, object],
        before: tuple[str, ...],
        bodies: Mapping[str, object],
    ) -> tuple[str, ...]:
        if "needs" not in body:
            return before
        known: list[str] = []
        for index, needed in enumerate(cast("list[str]", body["needs"])):
            if needed in bodies:
                known.append(needed)
            else:
                self._wishes.findings.error(
                    "unknown-step",
                    f"cannot find the step {needed} that {name} needs",
                    self._block.where("steps", name, "needs", index),
                    among(needed, bodies, what="step"),
                )
        return tuple(known)

    def _refuse_cycles(self, steps: list[Step]) -> None:
        """Take away what can run until nothing is left; what stays waits for itself."""
        waiting = {step.name: set(step.needs) for step in steps}
        while ready := [name for name, needs in waiting.items() if not needs & waiting.keys()]:
            for name in ready:
                del waiting[name]
        if waiting:
            name = min(waiting, key=list(waiting).index)
            path = [name]
            while (following := min(waiting[path[-1]] & waiting.keys())) not in path:
                path.append(following)
            cycle = [*path[path.index(following) :], following]
            self._wishes.findings.error(
                "step-cycle",
                f"cannot order the steps: {' needs '.join(cycle)}",
                self._block.where("steps", cycle[0], "needs"),
            )

    def _script(self, body: Mapping[str, object], path: tuple[Key, ...]) -> dict[str, str]:
        script = cast("str | None", body.get("script"))
        if script is None:
            return {}
        place = self._block.where(*path, "script", value=True)
        if not self._wishes.file(script, place):
            return {}
        data = self._scripts.get(script, b"")
        if not _is_text(data):
            self._wishes.findings.error(
                "not-text", f"cannot deliver {script}: it is not plain UTF-8 text", place
            )
        self.headers = read_headers(data)
        return self.headers

    def _step(
        self,
        name: str,
        body: dict[str, object],
        path: tuple[Key, ...],
        needs: tuple[str, ...],
        headers: Mapping[str, str],
    ) -> Step:
        retries = cast("dict[str, float]", body.get("retries", {}))
        timeout = cast("str | None", body.get("timeout"))
        result = build_result(self._wishes, self._block, (*path, "result"), body.get("result"))
        self._check_shell(cast("str | None", body.get("shell")), path)
        return Step(
            name=name,
            run=cast("str | None", body.get("run")),
            script=cast("str | None", body.get("script")),
            uses=cast("str | None", body.get("uses")),
            plugin=self._plugin(body, path),
            shell=cast("str | None", body.get("shell")),
            env=environment(self._wishes, self._block, (*path, "env"), body.get("env")),
            workdir=cast("str | None", body.get("workdir")),
            timeout=None if timeout is None else seconds(timeout),
            retry=Retry(
                limit=int(retries.get("limit", 0)),
                delay=seconds(str(retries.get("delay", "0s"))),
                backoff=float(retries.get("backoff", 1)),
            ),
            when=cast("str | None", body.get("when")),
            needs=needs,
            continue_on_error=body.get("continue_on_error") is True,
            idempotent=body.get("idempotent") is True,
            user=cast("str | None", body.get("user")),
            result=result or _from_headers(headers),
            places=self._places(path, body),
        )

    def _plugin(self, body: Mapping[str, object], path: tuple[Key, ...]) -> str | None:
        """Say where the bytes of the step's plugin are, if it uses one."""
        uses = cast("str | None", body.get("uses"))
        if uses is None:
            return None
        if "shell" in body:
            self._wishes.findings.error(
                "shell-of-plugin",
                "cannot use `shell` beside `uses`",
                self._block.where(*path, "shell"),
                "a plugin names its interpreter in its first line",
            )
        place = self._block.where(*path, "uses", value=True)
        return check_plugin(self._wishes, uses, place, self._scripts)

    def _check_shell(self, shell: str | None, path: tuple[Key, ...]) -> None:
        try:
            words = shlex.split(shell or "sh")
        except ValueError:
            words = []
        if not words or not words[0]:
            self._wishes.findings.error(
                "bad-shell",
                f"cannot split {shell!r} into an interpreter and its arguments",
                self._block.where(*path, "shell", value=True),
                "such as: bash -eu",
            )

    def _places(self, path: tuple[Key, ...], body: Mapping[str, object]) -> dict[str, Place]:
        places = {"": self._block.where(*path)}
        for key, value in body.items():
            places[key] = self._block.where(*path, key)
            if key == "env" and isinstance(value, dict):
                places |= {f"env.{name}": self._block.where(*path, key, name) for name in value}
        return places


def _is_text(data: bytes) -> bool:
    try:
        return "\0" not in data.decode()
    except UnicodeDecodeError:
        return False


def build_result(
    wishes: Wishes, block: Block, path: tuple[Key, ...], data: object
) -> Result | None:
    """Build a `result`; a file without path, or a path without file, is an error."""
    if not isinstance(data, dict):
        return None
    kind = ResultType(data["type"])
    if (kind is ResultType.FILE) != ("file" in data):
        wishes.findings.error(
            "result-file",
            "cannot use this result: `file` goes with type file, and type file needs it",
            block.where(*path),
        )
    return Result(type=kind, path=data.get("file"))


def _from_headers(headers: Mapping[str, str]) -> Result | None:
    """Read what a script's own headers say of its result; what makes no sense there counts as text."""
    kind = headers.get("result-type")
    if kind not in set(ResultType):
        return None
    if kind == ResultType.FILE:
        path = headers.get("file-name")
        return Result(type=ResultType.FILE, path=path) if path else None
    return Result(type=ResultType(kind))


def environment(
    wishes: Wishes, block: Block, path: tuple[Key, ...], data: object
) -> dict[str, str]:
    """Build an environment; names that begin with CTL_ are the controller's own."""
    values = cast("dict[str, object]", data or {})
    for name in values:
        reserved(wishes, block, (*path, name), name)
    return {name: plain(value) for name, value in values.items()}


def reserved(wishes: Wishes, block: Block, path: tuple[Key, ...], name: str) -> None:
    """Refuse a name of the environment that the controller sets itself."""
    if name.startswith("CTL_"):
        wishes.findings.error(
            "reserved-name",
            f"cannot set {name}: names that begin with CTL_ are set by the controller",
            block.where(*path),
        )
