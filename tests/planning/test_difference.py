"""A manifest of eight kilobytes is enough to name what changed."""

from controller.jobs.marker import manifest
from controller.model.digest import digest_of, input_digest
from controller.model.work import Input, Work
from controller.planning.difference import Difference, compare


def work(**values: object) -> Work:
    inputs = {name: Input(digest=digest_of(value)) for name, value in values.items()}
    digest = input_digest({name: one.digest for name, one in inputs.items()})
    return Work(task="t", digest=digest, inputs=inputs)


def kept_of(made: Work) -> dict[str, str]:
    return manifest(made.inputs)


def test_changed_new_and_gone_inputs_are_named() -> None:
    before = kept_of(work(source=1, a=1, b=1))
    found = compare(before, work(source=2, b=1, c=1))
    assert found == Difference(changed=("source",), new=("c",), gone=("a",))
    assert found.names == ("source", "a", "c")
    assert compare(before, work(source=1, a=1, b=1)).names == ()


def test_an_empty_manifest_names_nothing() -> None:
    assert compare({}, work(a=1)) == Difference()


def test_what_a_full_manifest_had_no_room_for_is_not_called_new() -> None:
    many = {f"steps.number-{n:05}.run": n for n in range(1000)}
    kept = kept_of(work(source=1, **many))
    assert len(kept) < 1000
    assert compare(kept, work(source=1, **many)).names == ()
    assert compare(kept, work(source=2, a=1, **many)).names == ("source", "a")
