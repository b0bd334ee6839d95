"""The house rules that no linter knows."""

import dataclasses
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from types import ModuleType

import pytest

import controller
import controller.model
from controller import errors

PACKAGE = Path(controller.__file__).parent
ROOT = PACKAGE.parent
SOURCES = sorted(p for p in PACKAGE.rglob("*.py") if "migrations" not in p.parts)
DUMPING_GROUNDS = {"utils", "util", "helpers", "common", "misc", "base", "manager", "tools"}


def modules(package: ModuleType) -> Iterator[ModuleType]:
    for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        yield importlib.import_module(info.name)


def test_records_of_the_model_are_frozen_slotted_and_keyword_only() -> None:
    seen = 0
    for module in modules(controller.model):
        for name, kind in inspect.getmembers(module, dataclasses.is_dataclass):
            if inspect.isclass(kind) and kind.__module__ == module.__name__:
                seen += 1
                assert vars(kind)["__dataclass_params__"].frozen, name
                assert "__slots__" in vars(kind), name
                assert all(f.kw_only for f in dataclasses.fields(kind)), name
    assert seen > 20


def test_every_error_says_what_to_do_with_it() -> None:
    kinds: list[type[errors.ControllerError]] = [errors.ControllerError]
    for kind in kinds:
        kinds.extend(k for k in kind.__subclasses__() if k.__module__ == errors.__name__)
        assert kind.__doc__, kind
        assert isinstance(kind.disposition, errors.Disposition), kind
        assert kind.__name__ in (errors.__doc__ or ""), kind
    references = [k.reference for k in kinds]
    assert len(set(references)) == len(references)


def test_every_value_that_people_see_stands_in_the_vocabulary() -> None:
    text = (ROOT / "docs" / "vocabulary.md").read_text()
    shown = {
        "job.State",
        "condition.Sync",
        "condition.Health",
        "condition.ConditionType",
        "plan.Action",
        "plan.Gate",
        "plan.Limit",
        "job.Trigger",
        "work.StepKind",
        "files.FileKind",
        "rollout.WhenOffline",
        "declaration.OnRemove",
        "declaration.OnCommit",
        "declaration.OnDrift",
        "schedule.Overlap",
        "notice.Occasion",
        "access.Right",
        "token.Role",
    }
    for dotted in sorted(shown):
        module, name = dotted.split(".")
        kind = getattr(importlib.import_module(f"controller.model.{module}"), name)
        assert issubclass(kind, StrEnum)
        for value in kind:
            assert f"`{value}`" in text, f"{dotted}.{value} is not in docs/vocabulary.md"
    for cause in errors.Unreachable:
        assert f"`{cause}`" in text, cause


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_module_says_what_it_holds_and_is_not_a_dumping_ground(path: Path) -> None:
    text = path.read_text()
    assert text.lstrip().startswith('"""'), "no module docstring"
    assert path.stem not in DUMPING_GROUNDS


@pytest.mark.parametrize(
    "path", sorted((ROOT / "docs").rglob("*.md")), ids=lambda p: str(p.relative_to(ROOT))
)
def test_files_that_documents_name_exist(path: Path) -> None:
    for word in re.findall(r"`([\w./-]+)`", path.read_text()):
        first = word.split("/")[0]
        is_room = (PACKAGE / first).is_dir() and word.endswith((".py", ".sh"))
        if is_room or word in {"service.py", "errors.py", "clock.py"}:
            assert (PACKAGE / word).exists(), f"{path.name} names {word}"
