"""A manifest of eight kilobytes is enough to name what changed."""

from controller.model.digest import digest_of, input_digest
from controller.model.work import Input, Work
from controller.planning.manifest import LIMIT, REST, Difference, compare, manifest


def work(**values: object) -> Work:
    inputs = {name: Input(digest=digest_of(value)) for name, value in values.items()}
    digest = input_digest({name: one.digest for name, one in inputs.items()})
    return Work(task="t", digest=digest, inputs=inputs)


def test_changed_new_and_gone_inputs_are_named() -> None:
    before = manifest(work(source=1, a=1, b=1))
    found = compare(before, work(source=2, b=1, c=1))
    assert found == Difference(changed=("source",), new=("c",), gone=("a",))
    assert found.names == ("source", "a", "c")
    assert compare(before, work(source=1, a=1, b=1)).names == ()


def test_an_empty_manifest_names_nothing() -> None:
    assert compare({}, work(a=1)) == Difference()


def test_a_manifest_is_bounded_and_never_calls_what_did_not_fit_new() -> None:
    many = {f"steps.number-{n:05}.run": n for n in range(1000)}
    kept = manifest(work(source=1, **many))
    assert sum(len(name) + len(digits) for name, digits in kept.items()) <= LIMIT
    assert "source" in kept
    assert REST in kept
    assert compare(kept, work(source=1, **many)).names == ()
