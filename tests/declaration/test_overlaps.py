from controller.declaration.overlaps import check_overlaps
from controller.declaration.report import Report
from controller.declaration.wishes import Wishes
from controller.model.declaration import Target
from controller.model.diagnostic import Diagnostic, Place
from controller.model.files import Checkout, FileSpec
from controller.model.task import Task
from tests.fakes.trees import MemoryTree


def at(line: int) -> Place:
    return Place(file="a.yaml", line=line)


def task(name: str, line: int, *paths: str, checkout: str | None = None) -> Task:
    return Task(
        name=name,
        files=tuple(
            FileSpec(path=path, content="x", places={"path": at(line + index)})
            for index, path in enumerate(paths)
        ),
        checkout=Checkout(path=checkout, places={"path": at(line)}) if checkout else None,
    )


def found(tasks: list[Task], *bound: tuple[str, str, str]) -> tuple[Diagnostic, ...]:
    """Check targets given as (name, task, servers)."""
    wishes = Wishes(tree=MemoryTree({}), findings=Report())
    targets = {
        name: Target(
            name=name,
            task=task,
            servers=servers,
            members=tuple(servers.split()),
            places={"": at(50 + number)},
        )
        for number, (name, task, servers) in enumerate(bound)
    }
    check_overlaps(wishes, targets, {task.name: task for task in tasks})
    return wishes.findings.sorted()


def test_two_targets_that_deliver_to_one_path_of_one_server_are_an_error_naming_both() -> None:
    tasks = [task("t", 1, "/etc/a", "/etc/b"), task("u", 11, "/etc/b")]
    (only,) = found(tasks, ("x", "t", "s1 s2 s3"), ("y", "u", "s2 s3"))
    assert (only.code, only.place) == ("same-path", at(11))
    assert (
        only.message == "cannot deliver /etc/b to s2 and 1 more twice: y does, and x at a.yaml:2:1"
    )


def test_one_task_of_two_targets_is_told_at_the_targets() -> None:
    (only,) = found([task("t", 1, "/etc/a")], ("x", "t", "s1"), ("y", "t", "s1"))
    assert only.place == at(51)
    assert "x at a.yaml:50:1" in only.message


def test_a_checkout_and_a_file_at_one_path_meet_too_however_it_is_spelled() -> None:
    tasks = [task("t", 1, "//srv/./shop"), task("u", 11, checkout="/srv/old/../shop/")]
    (only,) = found(tasks, ("x", "t", "s1"), ("y", "u", "s1"))
    assert "/srv/shop" in only.message


def test_each_two_targets_that_meet_are_told_once() -> None:
    tasks = [task("t", 1, "/a")]
    told = found(tasks, ("x", "t", "s1 s2"), ("y", "t", "s1 s2"), ("z", "t", "s2"))
    assert [item.place for item in told] == [at(51), at(52)]


def test_servers_apart_and_paths_that_templates_make_are_no_error() -> None:
    tasks = [task("t", 1, "/etc/{{ target.name }}", "/etc/a")]
    assert found(tasks, ("x", "t", "s1"), ("y", "t", "s2")) == ()
    assert found([task("t", 1, "/etc/{{ target.name }}")], ("x", "t", "s"), ("y", "t", "s")) == ()
