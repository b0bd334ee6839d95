from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from controller.declaration.loader import load
from controller.model.declaration import OnDrift, RefKind, SecretKind
from controller.model.diagnostic import Severity
from controller.model.inventory import Carrier
from controller.model.task import ResultType
from tests.declaration.trees import FormsInMemory, declared, findings, loaded
from tests.fakes.trees import MemoryTree

ROOT = Path(__file__).parents[2]
TASK = "tasks:\n  t: {run: 'true'}\n"

WRONG = [
    ("server: {}\n", ["1:1 unknown-key"]),
    ("settings: {}\n", ["1:1 unknown-key"]),
    ("- a\n", ["1:1 wrong-type"]),
    ("servers: [a]\n", ["1:10 wrong-type"]),
    ("servers: {a: [x]}\n", ["1:14 wrong-type"]),
    ("servers: {a: {sssh: {}}}\n", ["1:15 unknown-key"]),
    ("servers: {a: {ssh: {port: 70000}}}\n", ["1:27 wrong-value"]),
    ("servers: {a: {ssh: {port: '22'}}}\n", ["1:27 wrong-type"]),
    ("servers: {a: {ssh: {}, local: {}}}\n", ["1:24 two-carriers"]),
    ("servers: {a: {ssh: {key: k}}}\n", ["1:26 unknown-secret"]),
    ("servers: {a: {ssh: {jump: b}}}\n", ["1:27 unknown-server"]),
    (
        "servers: {a: {ssh: {jump: b}}, b: {ssh: {jump: a}}}\n",
        ["1:27 jump-cycle", "1:48 jump-cycle"],
    ),
    ("servers: {'a[3:1]': {}}\n", ["1:11 bad-range"]),
    ("servers: {'a[1:2': {}}\n", ["1:11 bad-range"]),
    ("servers: {'a[1:2]': {address: x}}\n", ["1:22 address-of-range"]),
    ("servers: {'a[1:2]': {}, a2: {}}\n", ["1:25 duplicate-name"]),
    ("servers: {a/b: {}}\n", ["1:11 bad-name"]),
    ("servers: {a: {vars: {x-y: 1}}}\n", ["1:22 bad-name"]),
    ("groups: {a: {children: [b]}, b: {children: [a]}}\n", ["1:45 group-cycle"]),
    ("groups: {Web: {}}\n", ["1:10 bad-name"]),
    ("repos: {r: {}}\n", ["1:9 missing-key"]),
    ("repos: {r: {url: 'ext::sh -c x'}}\n", ["1:18 bad-url"]),
    ("repos: {r: {url: 'https://a:b@c/d'}}\n", ["1:18 bad-url"]),
    ("repos: {r: {url: '-x'}}\n", ["1:18 bad-url"]),
    ("repos: {r: {url: 'ssh://-oProxyCommand=x/y'}}\n", ["1:18 bad-url"]),
    ("repos: {r: {url: /a, branch: --upload-pack=x}}\n", ["1:30 bad-ref"]),
    ("repos: {r: {url: /a, branch: a, tag: b}}\n", ["1:33 one-of"]),
    ("repos: {r: {url: /a, interval: 30s}}\n", ["1:32 interval-too-short"]),
    ("repos: {r: {url: /a, token: x}}\n", ["1:29 unknown-secret"]),
    ("repos: {r: {url: /a, verify: keys/none}}\n", ["1:30 missing-file"]),
    ("repos: {r: {url: /a, verify: ../none}}\n", ["1:30 wrong-value"]),
    ("repos: {r: {url: /a, webhook: x}}\n", ["1:31 unknown-secret"]),
    ("secrets: {s: {}}\n", ["1:11 wrong-value"]),
    ("secrets: {s: {env: A, file: /b}}\n", ["1:11 wrong-value"]),
    ("secrets: {s: {file: b}}\n", ["1:21 wrong-value"]),
    ("secrets: {s: {sops: a.yaml, key: b}}\n", ["1:21 missing-file"]),
    ("notifiers: {n: {url: {secret: x}}}\n", ["1:31 unknown-secret"]),
    ("access: {a: {role: admn}}\n", ["1:20 wrong-value"]),
    ("tasks: {t: {}}\n", ["1:9 one-of"]),
    ("tasks: {t: {run: a, script: b}}\n", ["1:21 one-of"]),
    ("tasks: {t: {script: nowhere.sh}}\n", ["1:21 missing-file"]),
    ("tasks: {t: {run: a, timeout: 5 min}}\n", ["1:30 wrong-value"]),
    ("tasks: {t: {run: a, env: {CTL_X: b}}}\n", ["1:27 reserved-name"]),
    ("tasks: {t: {run: a, env: {X: 1.5}}}\n", ["1:30 wrong-type"]),
    ("tasks: {t: {run: a, secrets: {X: s}}}\n", ["1:34 unknown-secret"]),
    ("tasks: {t: {run: a, limits: {cpu: fast}}}\n", ["1:35 wrong-value"]),
    ("tasks: {t: {run: a, result: {type: file}}}\n", ["1:21 result-file"]),
    ("tasks: {t: {steps: {a: {}}}}\n", ["1:21 one-of"]),
    ("tasks: {t: {steps: {a: {run: x, needs: [b]}}}}\n", ["1:41 unknown-step"]),
    ("tasks: {t: {steps: {a: {run: x, needs: [b]}, b: {run: y}}}}\n", ["1:33 step-cycle"]),
    ("tasks: {t: {steps: {a: {run: x, needs: [a]}}}}\n", ["1:33 step-cycle"]),
    ("tasks: {t: {run: a, params: {p: {type: strin}}}}\n", ["1:40 wrong-value"]),
    ("tasks: {t: {run: a, params: {p: {$ref: 'file:///etc/passwd'}}}}\n", ["1:34 unknown-key"]),
    ("tasks: {t: {run: a, params: {p: {pattern: '(?=a)'}}}}\n", ["1:34 wrong-schema"]),
    (
        "tasks: {t: {run: a, params: {p: {pattern: '[', default: '{{ vars.x }}'}}}}\n",
        ["1:34 wrong-schema"],
    ),
    ("tasks: {t: {run: a, params: {p: {type: integer, default: x}}}}\n", ["1:58 wrong-param"]),
    (TASK + "targets: {x: {servers: all}}\n", ["3:11 missing-key"]),
    (TASK + "targets: {x: {servers: web, task: t}}\n", ["3:24 unknown-server"]),
    (TASK + "targets: {x: {servers: 'a b', task: t}}\n", ["3:24 bad-pattern"]),
    (TASK + "targets: {x: {servers: all, task: u}}\n", ["3:35 unknown-task", "3:24 no-servers"]),
    (
        TASK + "targets: {x: {servers: '*', task: t, repo: r}}\n",
        ["3:44 unknown-repo", "3:24 no-servers"],
    ),
    (
        TASK + "targets: {x: {servers: '*', task: t, paths: [a]}}\n",
        ["3:38 paths-without-repo", "3:24 no-servers"],
    ),
    (
        TASK + "targets: {x: {servers: '*', task: t, params: {q: 1}}}\n",
        ["3:47 unknown-param", "3:24 no-servers"],
    ),
    (
        TASK + "targets: {x: {servers: '*', task: t, notify: [ops]}}\n",
        ["3:47 unknown-notifier", "3:24 no-servers"],
    ),
    (TASK + "targets: {x: {servers: '*', task: t, on_drift: heel}}\n", ["3:48 wrong-value"]),
]

WRONG += [
    (
        "servers:\n"
        + "".join(f"  s{n}: {{ssh: {{jump: s{n + 1}}}}}\n" for n in range(8))
        + "  s8: {}\n",
        ["2:20 too-many-jumps"],
    ),
    (
        "groups:\n" + "".join(f"  g{n}: {{children: [g{n + 1}]}}\n" for n in range(64)),
        ["65:9 too-deep"],
    ),
    ("servers: {'n[1:150000]': {}}\n", ["1:11 bad-range"]),
    (
        "servers: {'a[1:90000]': {}, 'b[1:90000]': {}, 'c[1:90000]': {}}\n",
        ["1:47 too-many-servers"],
    ),
]


@pytest.mark.parametrize(("text", "expected"), WRONG, ids=[text.strip()[-60:] for text, _ in WRONG])
def test_what_is_wrong_is_told_at_its_place(text: str, expected: list[str]) -> None:
    result = loaded(text)
    assert result.declaration is None
    assert sorted(findings(result)) == sorted(f"inventory/all.yaml:{item}" for item in expected)


def test_all_errors_of_all_files_are_told_in_one_pass_by_file_and_line() -> None:
    result = loaded(
        {
            "ctl.yaml": "settings: {nam: x}\n",
            "inventory/b.yaml": "a: [\n",
            "inventory/a.yaml": "servers:\n  x: {ssh: {port: 0}}\n  y: {grups: [a]}\n",
            "pipelines/deep/er/c.yml": "tasks:\n  t: {rum: x}\n",
        }
    )
    assert findings(result) == [
        "ctl.yaml:1:12 unknown-key",
        "inventory/a.yaml:2:19 wrong-value",
        "inventory/a.yaml:3:7 unknown-key",
        "inventory/b.yaml:2:1 yaml-syntax",
        "pipelines/deep/er/c.yml:2:7 unknown-key",
    ]
    hints = {
        item.place.line: item.hint for item in result.diagnostics if item.code == "unknown-key"
    }
    assert hints == {1: "did you mean name?", 3: "did you mean groups?", 2: "did you mean run?"}


def test_a_mistake_is_told_once_and_not_again_by_what_refers_to_it() -> None:
    result = loaded(
        "tasks: {t: {rum: x}}\nservers: {web-1: {grups: [web]}}\nrepos: {r: {ur: x}}\n"
        "targets: {x: {servers: web, task: t, repo: r}}\n"
    )
    assert {item.code for item in result.diagnostics} == {"unknown-key"}


def test_a_name_declared_twice_is_an_error_that_names_both_places() -> None:
    result = loaded({"inventory/a.yaml": TASK, "pipelines/b.yaml": TASK})
    assert findings(result) == ["pipelines/b.yaml:2:3 duplicate-name"]
    assert "inventory/a.yaml:2:3" in result.diagnostics[0].message


def test_keys_of_later_versions_are_known_and_refused() -> None:
    text = "tasks: {deploy: {steps: {a: {run: x, container: alpine}}}}\n"
    assert findings(loaded(text)) == ["inventory/all.yaml:1:38 not-supported-yet"]


def test_everything_a_careful_target_may_say_is_understood() -> None:
    text = """
repos:
  shop: {url: https://git.example.com/acme/shop.git, branch: main, interval: 1m, active: true, was: store}
servers:
  web-[01:04]: {groups: [web], was: "www-[01:04]"}
groups:
  prod: {children: [web], max_unavailable: 25%, was: live}
tasks:
  deploy: {run: ./deploy.sh}
  migrate: {run: ./migrate.sh}
  remove: {run: ./remove.sh}
targets:
  db-migrate: {servers: "web[0]", task: migrate, repo: shop}
  shop-prod:
    servers: web
    task: deploy
    repo: shop
    rollout: {canary: 1, batch: [1, 25%], max_failures: 1, pause: 30s, health: "curl -fsS localhost/health"}
    approval: {required: 1, not_author: true}
    windows: [{allow: "0 9 * * 1-5", for: 8h, timezone: Europe/Berlin}]
    when_offline: queue
    after: [db-migrate]
    priority: 10
    on_remove: {run: remove}
    protect: true
    suspended: {reason: audit, until: 2026-12-01T09:00:00+01:00}
    was: shop-live
secrets:
  db-password: {env: DB_PASSWORD, was: db}
"""
    settings = "settings: {budget: {servers: 50%, removals: 3}, approvers: [ops, lead]}"
    result = loaded({"inventory/all.yaml": text, "ctl.yaml": settings})
    assert result.diagnostics == ()
    assert result.declaration is not None


def test_the_examples_load_without_a_finding() -> None:
    folder = ROOT / "examples"
    files = {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
    result = loaded(files)
    assert result.diagnostics == ()
    assert result.declaration is not None
    assert result.declaration.targets["shop-prod"].members == ("web-1", "web-2")


def test_servers_take_defaults_from_settings_groups_parents_first_and_themselves() -> None:
    servers = declared(
        {
            "ctl.yaml": "settings: {defaults: {servers: {ssh: {user: a, port: 1}, concurrency: 2}}}",
            "inventory/x.yaml": """
servers:
  one: {groups: [child], ssh: {sudo: true}}
  two: {groups: [parent]}
  three: {local: {}}
groups:
  parent: {children: [child], defaults: {ssh: {user: b}, labels: {env: prod}}}
  child: {defaults: {ssh: {user: c}}}
""",
        }
    ).inventory.servers
    one, two, three = servers["one"], servers["two"], servers["three"]
    assert (one.ssh.user, one.ssh.port, one.ssh.sudo, one.concurrency) == ("c", 1, True, 2)
    assert (two.ssh.user, two.ssh.port, two.labels) == ("b", 1, {"env": "prod"})
    assert (three.carrier, three.concurrency) == (Carrier.LOCAL, 2)
    assert one.groups == ("parent", "child")


def test_variables_follow_the_order_of_ansible_and_tell_where_they_came_from() -> None:
    inventory = declared(
        {
            "inventory/x.yaml": """
servers:
  web-1: {groups: [web], vars: {d: server, e: server}}
groups:
  all: {vars: {z: all, a: all}}
  prod: {children: [web], vars: {a: prod, b: prod, c: prod}}
  web: {vars: {b: web, c: web, d: web}}
""",
            "group_vars/web.yaml": "c: file\nd: file\n",
            "group_vars/all/x.yml": "z: file\n",
            "inventory/group_vars/web.yml": "c: lower\nq: lower\n",
            "host_vars/web-1": "e: file\n",
            "host_vars/gone.yaml": "e: file\n",
        }
    )
    server = inventory.inventory.servers["web-1"]
    assert server.vars == {
        "a": "prod", "b": "web", "c": "file", "d": "server", "e": "file", "q": "lower", "z": "file"
    }  # fmt: skip
    assert {name: str(place) for name, place in server.origins.items()} == {
        "a": "inventory/x.yaml:6:34",
        "b": "inventory/x.yaml:7:16",
        "c": "group_vars/web.yaml:1:1",
        "d": "inventory/x.yaml:3:33",
        "e": "host_vars/web-1:1:1",
        "q": "inventory/group_vars/web.yml:2:1",
        "z": "group_vars/all/x.yml:1:1",
    }


def test_variables_of_nobody_and_templates_in_variables_are_warnings() -> None:
    result = loaded(
        {"inventory/a.yaml": "servers: {a: {vars: {x: '{{ y }}'}}}", "host_vars/b.yaml": "q: 1"}
    )
    assert result.declaration is not None
    assert findings(result) == [
        "host_vars/b.yaml:1:1 unused-variables",
        "inventory/a.yaml:1:25 template-in-variable",
    ]
    assert {item.severity for item in result.diagnostics} == {Severity.WARNING}


def test_a_name_of_both_a_server_and_a_group_is_a_warning() -> None:
    result = loaded("servers: {a: {groups: [b]}, b: {}}\n")
    assert findings(result) == ["inventory/all.yaml:1:29 name-of-both"]
    assert findings(loaded("servers: {all: {}}\n")) == ["inventory/all.yaml:1:11 name-of-both"]


def test_variables_beside_an_adopted_inventory_belong_to_it_alone() -> None:
    inventory = declared(
        {
            "inventory/own.yaml": "servers: {mine: {}}\ninventories: {old: {ansible: inventory/hosts.ini}}",
            "inventory/hosts.ini": "w1\n",
            "inventory/group_vars/all.yml": "x: yes\nx: no\n",
            "group_vars/all.yml": "y: yes\n",
        }
    ).inventory
    assert inventory.servers["mine"].vars == {"y": "yes"}
    assert inventory.servers["w1"].vars["x"] is False


def test_ranges_make_servers_with_padding_kept() -> None:
    inventory = declared(
        "servers: {'web-[08:10].example.com': {groups: [web]}, 'db-[a:c]': {}}"
    ).inventory
    assert list(inventory.servers) == [
        "db-a", "db-b", "db-c", "web-08.example.com", "web-09.example.com", "web-10.example.com"
    ]  # fmt: skip
    assert len(inventory.groups["web"].servers) == 3


def test_steps_wait_for_the_one_before_unless_they_say_otherwise() -> None:
    task = declared(
        "tasks: {t: {steps: {a: {run: x}, b: {run: x}, c: {run: x, needs: []}, d: {run: x, needs: [a, c]}}}}"
    ).tasks["t"]
    assert {step.name: step.needs for step in task.steps} == {
        "a": (), "b": ("a",), "c": (), "d": ("a", "c")
    }  # fmt: skip


def test_a_task_is_read_completely() -> None:
    task = declared(
        "tasks:\n  t:\n    title: T\n    timeout: 10m\n    env: {A: true, B: 3, C: x}\n"
        "    params: {p: {type: string, default: a, secret: true}, q: {type: integer}}\n"
        "    steps:\n      a: {run: x, retries: {limit: 2, delay: 5s, backoff: 2}, timeout: 1m,"
        " result: {type: metric}}\n"
    ).tasks["t"]
    step = task.steps[0]
    assert (task.title, task.timeout, task.env) == ("T", 600.0, {"A": "true", "B": "3", "C": "x"})
    assert (step.retry.limit, step.retry.delay, step.retry.backoff, step.timeout) == (
        2,
        5.0,
        2.0,
        60.0,
    )
    assert (task.params["p"].secret, task.params["p"].required, task.params["q"].required) == (
        True,
        False,
        True,
    )
    assert task.result.type is ResultType.METRIC
    assert str(task.places["params.q"]) == "inventory/all.yaml:6:59"
    assert str(step.places["run"]) == "inventory/all.yaml:8:11"


def test_scripts_tell_title_and_result_by_their_headers() -> None:
    declaration = declared(
        {
            "inventory/a.yaml": "tasks: {t: {script: scripts/b.sh}}",
            "scripts/b.sh": "#!/bin/sh\n#::ARTR::title=Old\n#::CTL:: title = New \r\n"
            "#::CTL::result-type=file\n#::CTL::file-name=/tmp/a=b\n #::CTL::title=no\n",
        }
    )
    task = declaration.tasks["t"]
    assert (task.title, task.result.type, task.result.path) == ("New", ResultType.FILE, "/tmp/a=b")
    assert declaration.scripts["scripts/b.sh"].startswith(b"#!/bin/sh")


def test_targets_bind_with_defaults_of_parameters() -> None:
    declaration = declared(
        {
            "ctl.yaml": "settings: {name: shop, defaults: {targets: {on_drift: heal, task: t}}}",
            "inventory/a.yaml": "servers: {b: {}, a: {}}\n"
            "tasks: {t: {run: x, params: {p: {type: integer, default: 1}, q: {type: integer}}}}\n"
            "repos: {r: {url: 'git@git.example.com:a/b.git', tag: 'v*', interval: 5m}}\n"
            "secrets: {s: {env: S}, f: {file: ~/x}}\n"
            "targets: {x: {servers: all, params: {q: '{{ vars.n }}'}, repo: r, paths: ['app/**']}}\n",
        }
    )
    target = declaration.targets["x"]
    assert (target.members, target.task, target.on_drift) == (("a", "b"), "t", OnDrift.HEAL)
    assert target.params == {"p": 1, "q": "{{ vars.n }}"}
    assert (declaration.repos["r"].kind, declaration.repos["r"].ref) == (RefKind.TAG, "v*")
    assert [s.kind for s in declaration.secrets.values()] == [SecretKind.FILE, SecretKind.ENV]
    assert declaration.settings.name == "shop"


def test_a_value_of_a_secret_parameter_is_never_in_a_finding() -> None:
    result = loaded(
        "tasks: {t: {run: x, params: {p: {type: string, maxLength: 3, secret: true}}}}\n"
        "servers: {a: {}}\ntargets: {x: {servers: all, task: t, params: {p: hunter2}}}\n"
    )
    assert findings(result) == ["inventory/all.yaml:3:50 wrong-param"]
    assert "hunter2" not in repr(result)


def test_what_an_inventory_names_is_not_read_as_declarations() -> None:
    declaration = declared(
        {
            "inventory/own.yaml": "servers: {mine: {}}\ninventories: {old: {ansible: inventory/legacy/hosts.ini}}",
            "inventory/legacy/hosts.ini": "[Web_Old]\nw1 ansible_port=2222 color=red\n",
            "inventory/legacy/site.yaml": "- hosts: all\n",
            "inventory/legacy/group_vars/all.yml": "x: yes\n",
            "targets.yaml": "nonsense: [",
            "pipelines/t.yaml": TASK + "targets: {t: {servers: Web_Old, task: t}}",
        }
    )
    server = declaration.inventory.servers["w1"]
    assert (server.ssh.port, server.groups) == (2222, ("Web_Old",))
    assert server.vars["x"] is True
    assert declaration.targets["t"].members == ("w1",)
    assert list(declaration.inventory.servers) == ["mine", "w1"]
    old = declaration.inventories["old"]
    assert (old.tool, old.path, old.servers) == ("ansible", "inventory/legacy/hosts.ini", ("w1",))
    assert (old.place.file, old.place.line) == ("inventory/own.yaml", 2)


def test_the_cache_changes_nothing_but_what_is_read() -> None:
    files = {
        "inventory/a.yaml": "servers: {a: {vars: {x: '{{ y }}'}}}",
        "inventory/b.yaml": "servers: {b: {groups: [g], vars: {z: [1, {k: v}]}}}",
    }
    forms = FormsInMemory()
    first = load(MemoryTree(files), forms=forms)
    tree = CountingTree(files)
    assert load(tree, forms=forms) == first == load(MemoryTree(files))
    assert tree.reads == []
    files["inventory/b.yaml"] = "servers: {c: {}}"
    changed = CountingTree(files)
    again = load(changed, forms=forms)
    assert changed.reads == ["inventory/b.yaml"]
    assert again == load(MemoryTree(files))


def test_a_cache_of_nonsense_is_not_believed() -> None:
    files = {"inventory/a.yaml": "servers: {a: {}}"}
    forms = FormsInMemory()
    load(MemoryTree(files), forms=forms)
    forms.kept = dict.fromkeys(forms.kept, b"\x00nonsense")
    assert load(MemoryTree(files), forms=forms) == load(MemoryTree(files))


def test_nothing_that_is_wrong_is_kept_in_the_cache() -> None:
    forms = FormsInMemory()
    load(MemoryTree({"inventory/a.yaml": "servers: {a: {x: 1}}"}), forms=forms)
    assert forms.kept == {}


class CountingTree(MemoryTree):
    def __init__(self, files: Mapping[str, str]) -> None:
        super().__init__(files)
        self.reads: list[str] = []

    def read(self, paths: Iterable[str]) -> Mapping[str, bytes]:
        wanted = list(paths)
        self.reads += wanted
        return super().read(wanted)


PIECES = {
    "servers": {
        "a": "{groups: [g], vars: {x: 1}}",
        "b": "{local: {}}",
        "c-[1:2]": "{ssh: {port: 3}}",
    },
    "groups": {"g": "{vars: {x: 2, y: 3}}", "h": "{children: [g]}"},
    "tasks": {"t": "{run: x}", "u": "{steps: {p: {run: x}}}"},
    "targets": {"m": "{servers: h, task: t}", "n": "{servers: 'all:!b', task: u}"},
}


@settings(deadline=None, max_examples=30)
@given(st.data())
def test_how_blocks_are_spread_over_files_and_ordered_means_nothing(data: st.DataObject) -> None:
    blocks = [(kind, name) for kind, names in PIECES.items() for name in names]
    order = data.draw(st.permutations(blocks))
    files: dict[str, dict[str, list[str]]] = {}
    for kind, name in order:
        file = data.draw(
            st.sampled_from(["inventory/a.yaml", "inventory/z/b.yml", "pipelines/c.yaml"])
        )
        files.setdefault(file, {}).setdefault(kind, []).append(
            f"  '{name}': {PIECES[kind][name]}\n"
        )
    texts = {
        file: "".join(f"{kind}:\n{''.join(lines)}" for kind, lines in kinds.items())
        for file, kinds in files.items()
    }
    declaration = declared(texts)
    assert list(declaration.inventory.servers) == ["a", "b", "c-1", "c-2"]
    assert declaration.inventory.servers["a"].vars == {"x": 1, "y": 3}
    assert declaration.targets["m"].members == ("a",)
    assert declaration.targets["n"].members == ("a", "c-1", "c-2")
    assert list(declaration.tasks) == ["t", "u"]


@pytest.mark.parametrize("shell", ["bash -c '", "''", "  "])
def test_a_shell_that_cannot_be_split_is_refused(shell: str) -> None:
    for body in (f'run: x, shell: "{shell}"', f'steps: {{a: {{run: x, shell: "{shell}"}}}}'):
        found = findings(loaded(f"tasks: {{t: {{{body}}}}}\n"))
        assert [line.split()[1] for line in found] == ["bad-shell"]


@pytest.mark.parametrize("script", [b"\xff\xfe", b"echo a\0b\n"])
def test_a_script_that_is_no_text_is_refused(script: bytes) -> None:
    files: dict[str, str | bytes] = {
        "pipelines/a.yaml": "tasks: {t: {script: scripts/x}}\n",
        "scripts/x": script,
    }
    assert findings(loaded(files)) == ["pipelines/a.yaml:1:21 not-text"]


def test_a_day_that_does_not_exist_is_no_expiry() -> None:
    text = "secrets: {a: {env: A, expires: 2027-02-30}}\n"
    assert findings(loaded(text)) == ["inventory/all.yaml:1:32 wrong-value"]


@pytest.mark.parametrize(
    ("path", "matters"),
    [
        ("ctl.yaml", True),
        ("pipelines", True),
        ("inventory", True),
        ("inventory/more", True),
        ("pipelines/shop.yaml", True),
        ("group_vars", True),
        ("group_vars/web", True),
        ("host_vars/web-1/more.json", True),
        ("inventory/logo.png", False),
        ("scripts/pipelines", False),
        ("group_vars.txt", False),
    ],
)
def test_what_cannot_be_read_is_no_declaration_less(path: str, *, matters: bool) -> None:
    tree = MemoryTree({"inventory/all.yaml": "servers: {a: {}}\n"})
    tree.refused = {path: "a symlink"}
    assert findings(load(tree)) == ([f"{path}:1:1 refused-file"] if matters else [])
