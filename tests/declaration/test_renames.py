import pytest
from hypothesis import given, settings, strategies as st

from tests.declaration.trees import declared, findings, loaded

TASK = "tasks: {t: {run: x}}\n"


def test_earlier_names_are_kept() -> None:
    declaration = declared(
        TASK + "servers: {a: {groups: [g], was: Old.example.com}, 'n[1:2]': {was: 'o[08:09]'}}\n"
        "groups: {g: {was: front}}\nrepos: {r: {url: /r, was: q}}\n"
        "secrets: {s: {env: S, was: p}}\ntargets: {x: {servers: g, task: t, was: y}}\n"
    )
    servers = declaration.inventory.servers
    assert {name: server.was for name, server in servers.items()} == {
        "a": "Old.example.com", "n1": "o08", "n2": "o09"
    }  # fmt: skip
    assert declaration.inventory.groups["g"].was == "front"
    assert declaration.repos["r"].was == "q"
    assert declaration.secrets["s"].was == "p"
    assert declaration.targets["x"].was == "y"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("repos: {a: {url: /a, was: b}, b: {url: /b}}", "1:27 was-still-there"),
        ("repos: {a: {url: /a, was: a}}", "1:27 was-still-there"),
        ("repos: {a: {url: /a, was: c}, b: {url: /b, was: c}}", "1:49 was-twice"),
        ("secrets: {a: {env: A, was: b}, b: {env: B}}", "1:28 was-still-there"),
        ("servers: {a: {was: n2}, 'n[1:3]': {}}", "1:20 was-still-there"),
        ("servers: {'n[1:3]': {was: old}}", "1:27 was-of-range"),
        ("servers: {'n[1:3]': {was: 'old[1:2]'}}", "1:27 was-of-range"),
        ("servers: {n: {was: 'old[2:1]'}}", "1:20 bad-range"),
        ("servers: {a: {was: o2}, 'n[1:3]': {was: 'o[1:3]'}}", "1:41 was-twice"),
        ("servers: {a: {was: a/b}}", "1:20 wrong-value"),
        ("groups: {a: {was: b}}\nservers: {s: {groups: [b]}}", "1:19 was-still-there"),
        ("groups: {a: {was: b}, c: {children: [b]}}", "1:19 was-still-there"),
    ],
)
def test_an_earlier_name_is_nobodys_name_and_one_blocks_only(text: str, expected: str) -> None:
    assert findings(loaded(f"{text}\n")) == [f"inventory/all.yaml:{expected}"]


def test_a_server_of_another_tools_inventory_still_exists() -> None:
    result = loaded(
        {
            "inventory/own.yaml": "servers: {a: {was: w1}}\n"
            "inventories: {old: {ansible: inventory/hosts.ini}}\n",
            "inventory/hosts.ini": "w1\n",
        }
    )
    assert findings(result) == ["inventory/own.yaml:1:20 was-still-there"]


REFERENCES = [
    ("repos: {new: {url: /a, was: old}}", "repo: old, servers: s, task: t"),
    ("groups: {new: {was: old}}", "servers: old, task: t"),
    ("servers: {new: {was: old}}", "servers: 's:old', task: t"),
    ("servers: {new: {was: old}, b: {ssh: {jump: old}}}", "servers: s, task: t"),
    ("servers: {'n[1:2]': {was: 'o[1:2]'}}", "servers: o2, task: t"),
]


@pytest.mark.parametrize(("block", "target"), REFERENCES)
def test_who_uses_an_earlier_name_is_told_the_new_one(block: str, target: str) -> None:
    files = {
        "inventory/a.yaml": f"{block}\n",
        "inventory/b.yaml": f"{TASK}servers: {{s: {{}}}}\ntargets: {{x: {{{target}}}}}\n",
    }
    (only,) = loaded(files).diagnostics
    assert only.hint == f"it is now called {'n2' if 'o2' in target else 'new'}"


def test_targets_and_secrets_tell_their_new_names_too() -> None:
    result = loaded(
        TASK + "servers: {s: {}}\nsecrets: {new: {env: A, was: old}}\n"
        "repos: {r: {url: /r, token: old}}\n"
        "targets: {b: {servers: s, task: t, was: a}, c: {servers: s, task: t, after: [a]}}\n"
    )
    assert [item.hint for item in result.diagnostics] == [
        "it is now called new",
        "it is now called b",
    ]


def test_defaults_give_no_block_an_earlier_name() -> None:
    files = {
        "ctl.yaml": "settings: {defaults: {repos: {was: old}}}\n",
        "inventory/a.yaml": "repos: {a: {url: /a}, b: {url: /b}}\n",
    }
    assert [repo.was for repo in declared(files).repos.values()] == [None, None]


@settings(deadline=None, max_examples=25)
@given(
    st.lists(st.sampled_from("abcdef"), unique=True, min_size=1, max_size=4),
    st.data(),
)
def test_a_rename_is_valid_exactly_when_names_before_and_after_are_distinct(
    names: list[str], data: st.DataObject
) -> None:
    before = [data.draw(st.sampled_from("abcdefgh")) for _ in names]
    blocks = ", ".join(
        f"{name}: {{url: /r, was: {was}}}" for name, was in zip(names, before, strict=True)
    )
    valid = len({*names, *before}) == len(names) + len(before)
    assert (loaded(f"repos: {{{blocks}}}\n").declaration is not None) == valid
