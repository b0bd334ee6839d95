import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings, strategies as st

from controller.declaration.loader import load
from controller.model.declaration import OnRemove
from controller.model.diagnostic import Severity
from controller.model.rollout import ApprovalRule, Suspended, WhenOffline
from tests.declaration.trees import declared, findings, loaded
from tests.fakes.trees import MemoryTree

BASE = "tasks: {t: {run: x}, undo: {run: y}}\nservers: {s: {}}\n"
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def target(keys: str) -> str:
    return BASE + f"targets: {{x: {{servers: all, task: t, {keys}}}}}\n"


def test_what_is_not_said_leaves_a_target_free() -> None:
    plain = declared(BASE + "targets: {x: {servers: all, task: t}}\n").targets["x"]
    assert (plain.on_remove, plain.undo, plain.protect) == (OnRemove.FORGET, None, False)
    assert (plain.approval, plain.suspended, plain.after, plain.windows) == (None, None, (), ())
    assert (plain.when_offline, plain.priority) == (WhenOffline.QUEUE, 0)


def test_gates_of_a_target_are_read_completely() -> None:
    found = declared(
        target(
            "approval: {required: 2, not_author: true}, when_offline: fail, priority: -3, protect: true, "
            "suspended: {reason: audit, until: 2026-12-01}"
        )
    ).targets["x"]
    assert found.approval == ApprovalRule(required=2, not_author=True)
    assert (found.when_offline, found.priority, found.protect) == (WhenOffline.FAIL, -3, True)
    assert found.suspended == Suspended(reason="audit", until=datetime(2026, 12, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("written", "kind", "undo"),
    [
        ("forget", OnRemove.FORGET, None),
        ("block", OnRemove.BLOCK, None),
        ("{run: undo}", OnRemove.RUN, "undo"),
    ],
)
def test_removal_forgets_blocks_or_runs_a_task(
    written: str, kind: OnRemove, undo: str | None
) -> None:
    found = declared(target(f"on_remove: {written}")).targets["x"]
    assert (found.on_remove, found.undo) == (kind, undo)


def test_whole_numbers_with_a_point_are_whole_numbers() -> None:
    found = declared(target("approval: {required: 2.0}, priority: 3.0")).targets["x"]
    assert found.approval is not None
    assert [type(n) for n in (found.approval.required, found.priority)] == [int, int]


def test_keys_inside_of_keys_have_places() -> None:
    places = (
        declared(
            target(
                "rollout: {health: h}, on_remove: {run: undo}, suspended: {reason: r}, "
                "windows: [{allow: 0 9 * * *, for: 1h}], approval: {required: 1}, after: []"
            )
        )
        .targets["x"]
        .places
    )
    columns = {name: place.column for name, place in places.items() if "." in name}
    assert columns == {
        "rollout.health": 48,
        "on_remove.run": 72,
        "suspended.reason": 96,
        "windows.0": 118,
        "approval.required": 159,
    }
    assert places["after"].column == 173


WRONG = [
    ("on_remove: bloc", "3:49 wrong-value", "did you mean block?"),
    ("on_remove: {run: und}", "3:55 unknown-task", "did you mean undo?"),
    ("on_remove: {runs: undo}", "3:50 unknown-key", "did you mean run?"),
    ("on_remove: {}", "3:38 missing-key", ""),
    ("approval: {required: 0}", "3:59 wrong-value", ""),
    ("approval: {requierd: 1}", "3:49 unknown-key", "did you mean required?"),
    ("when_offline: skipp", "3:52 wrong-value", "did you mean skip?"),
    ("priority: high", "3:48 wrong-type", ""),
    ("protect: 1", "3:47 wrong-type", ""),
    ("after: [b, b]", "3:45 wrong-value", ""),
    ("suspended: {until: 2026-12-01}", "3:38 missing-key", ""),
    ("suspended: {reason: r, until: tomorrow}", "3:68 wrong-value", ""),
    ("suspended: {reason: r, until: 2026-02-30}", "3:68 wrong-value", ""),
    ("suspended: {reason: r, until: '2026-12-01T09:00:00'}", "3:68 wrong-value", ""),
    ("overlap: skipp", "3:47 wrong-value", "did you mean skip?"),
    ("notify: [ops]", "3:47 unknown-notifier", "no notifier is declared"),
    ("notify: []", "3:46 wrong-value", ""),
]


@pytest.mark.parametrize(("keys", "expected", "hint"), WRONG, ids=[keys for keys, _, _ in WRONG])
def test_what_is_wrong_is_told_at_its_key(keys: str, expected: str, hint: str) -> None:
    result = loaded(target(keys))
    assert f"inventory/all.yaml:{expected}" in findings(result)
    assert hint in [item.hint or "" for item in result.diagnostics] or not hint


def test_more_approvals_than_approvers_can_never_be_given() -> None:
    files = {
        "ctl.yaml": "settings: {approvers: [ops, lead]}\n",
        "inventory/a.yaml": target("approval: {required: 2}"),
    }
    assert loaded(files).diagnostics == ()
    files["inventory/a.yaml"] = target("approval: {required: 3}")
    assert findings(loaded(files)) == ["inventory/a.yaml:3:49 too-few-approvers"]
    assert loaded(files["inventory/a.yaml"]).diagnostics == ()


def test_a_suspension_that_is_over_is_a_warning_where_the_time_is_known() -> None:
    text = target("suspended: {reason: r, until: 2026-11-22}")
    tree = MemoryTree({"inventory/all.yaml": text})
    assert load(tree).diagnostics == ()
    (only,) = load(tree, now=NOW).diagnostics
    assert (only.code, only.severity, only.place.column) == (
        "suspension-over", Severity.WARNING, 61
    )  # fmt: skip
    later = MemoryTree({"inventory/all.yaml": text.replace("22}", "23}")})
    assert load(later, now=NOW).diagnostics == ()


KEYS = [
    "servers: all",
    "task: t",
    "rollout: {canary: 1, batch: [1, 25%], max_failures: 1, pause: 30s}",
    "approval: {required: 2, not_author: true}",
    "windows: [{allow: 0 9 * * 1-5, for: 8h, timezone: Europe/Berlin}]",
    "after: [y]",
    "on_remove: {run: undo}",
    "suspended: {reason: audit, until: 2026-12-01}",
    "was: z",
]
OTHER = "{servers: all, task: t}"


@settings(deadline=None, max_examples=30)
@given(st.permutations(KEYS), st.permutations(["x", "y"]), st.booleans())
def test_the_order_of_keys_blocks_and_files_means_nothing(
    keys: list[str], names: list[str], apart: bool
) -> None:
    bodies = {"x": f"{{{', '.join(keys)}}}", "y": OTHER}
    lines = [f"  {name}: {bodies[name]}\n" for name in names]
    files = {"inventory/a.yaml": f"{BASE}targets:\n{lines[0]}"}
    files["pipelines/b.yaml"] = f"targets:\n{lines[1]}"
    if not apart:
        files = {"inventory/a.yaml": f"{BASE}targets:\n{''.join(lines)}"}
    plain = {name: replace(found, places={}) for name, found in declared(files).targets.items()}
    usual = declared(f"{BASE}targets:\n  x: {{{', '.join(KEYS)}}}\n  y: {OTHER}\n").targets
    assert plain == {name: replace(found, places={}) for name, found in usual.items()}
    assert list(plain) == ["x", "y"]


WORDS = st.sampled_from(
    [
        "",
        "0",
        "1s",
        "7d",
        "999999999d",
        "0%",
        "1%",
        "100%",
        "٣%",
        "2026-12-01",
        "0000-00-00",
        "9999-12-31T23:59:59-12:00",
        "* * * * *",
        "0 0 31 2 *",
        "0 0 */31 2 1#5",
        "1,2/0 * * * *",
        "L L L L L",
        "UTC",
        "Europe",
        "s",
        "t",
        "x",
        "block",
        "{{ x }}",
        "\x00",
        "../x",
    ]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | WORDS
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["run", "for"]), inner)
    ),
    max_leaves=5,
)


def mapping(keys: str) -> st.SearchStrategy[object]:
    return st.fixed_dictionaries({}, optional=dict.fromkeys(keys.split(), VALUES))


SHAPES: dict[str, st.SearchStrategy[object]] = {
    "rollout": mapping("canary batch max_failures pause health confirm"),
    "approval": mapping("required not_author"),
    "windows": st.lists(st.fixed_dictionaries({"allow": WORDS, "for": WORDS, "timezone": WORDS})),
    "on_remove": st.fixed_dictionaries({"run": VALUES}),
    "suspended": st.fixed_dictionaries({"reason": VALUES}, optional={"until": WORDS}),
    **dict.fromkeys(["when_offline", "after", "priority", "protect", "was"], VALUES),
}
BODIES = st.fixed_dictionaries({}, optional={key: shape | VALUES for key, shape in SHAPES.items()})


@settings(deadline=None, max_examples=60)
@given(BODIES, st.booleans())
def test_whatever_is_written_is_understood_or_told_at_a_place(
    keys: dict[str, object], as_defaults: bool
) -> None:
    body = {} if as_defaults else keys
    targets = {"targets": {"x": {"servers": "all", "task": "t", **body}}}
    defaults = {"settings": {"defaults": {"targets": keys if as_defaults else {}}}}
    result = load(
        MemoryTree(
            {
                "ctl.yaml": json.dumps(defaults),
                "inventory/a.yaml": BASE,
                "inventory/b.yaml": json.dumps(targets),
            }
        ),
        now=NOW,
    )
    errors = [item for item in result.diagnostics if item.severity is Severity.ERROR]
    assert (result.declaration is None) == bool(errors)
    assert all(item.place.file in {"ctl.yaml", "inventory/b.yaml"} for item in result.diagnostics)
