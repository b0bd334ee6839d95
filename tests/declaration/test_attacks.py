"""Files that hurt parsers, each loaded in a process of its own, with its time and memory measured."""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CASES = Path(os.environ.get("CTL_TEST_CASES", ROOT.parent / "shared" / "cases")) / "yaml"
MOST_SECONDS = 2.0
MOST_KIB = 200 * 1024
CHILD = """
import json, re, sys, time
from pathlib import Path
from tests.declaration.trees import loaded

def peak():
    # Not ru_maxrss: it remembers how large the process was that started this one.
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

for line in sys.stdin:
    path = Path(line.strip())
    started = time.process_time()
    result = loaded({"inventory/" + path.stem + ".yaml": path.read_bytes()})
    print(json.dumps({
        "file": path.name,
        "seconds": time.process_time() - started,
        "kib": peak(),
        "valid": result.declaration is not None,
        "places": [[d.place.line, d.place.column, d.code] for d in result.diagnostics],
    }), flush=True)
"""


def cases() -> list[dict[str, str]]:
    if not CASES.is_dir():
        return []
    found: list[dict[str, str]] = json.loads((CASES / "attacks.json").read_text())["cases"]
    return found


@pytest.mark.skipif(not CASES.is_dir(), reason=f"{CASES} is missing")
def test_every_attack_ends_in_a_located_error_or_a_bounded_answer() -> None:
    wanted = {Path(case["file"]).name: case["expect"] for case in cases()}
    ended = subprocess.run(
        [sys.executable, "-c", CHILD],
        input="".join(f"{CASES / case['file']}\n" for case in cases()),
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=50,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    answers = [json.loads(line) for line in ended.stdout.splitlines()]
    assert {answer["file"] for answer in answers} == set(wanted)
    for answer in answers:
        assert answer["seconds"] < MOST_SECONDS, answer
        assert answer["kib"] < MOST_KIB, answer
        if wanted[answer["file"]].startswith("refuse"):
            assert not answer["valid"], answer
            assert answer["places"], answer


@pytest.mark.parametrize(
    "text",
    [
        "servers: {" + ", ".join(f"s{n}: {{}}" for n in range(40_000)) + "}",
        "[" * 1_000_000,
        "a: " + "x" * 1_000_000,
        "- " * 500_000,
        "a:\n" * 300_000,
        "servers: {'n[1:99999][1:99999]': {}}",
        "servers: {'n[1:100000]': {}}",
        "targets: {t: {task: x, servers: '" + "*a" * 2_000 + "'}}",
        "repos: {r: {url: '" + "a:" * 400_000 + "'}}",
        "tasks: {t: {run: x, params: {p: {type: string, pattern: '^(a+)+$', default: '"
        + "a" * 40_000
        + "!'}}}}",
        "".join(f"k{n}: 1\n" for n in range(80_000)),
        "groups:\n" + "".join(f" g{n}: {{children: [g{n + 1}]}}\n" for n in range(20_000)),
        "servers:\n" + "".join(f" s{n}: {{ssh: {{jump: s{n + 1}}}}}\n" for n in range(15_000)),
        "servers:\n" + "".join(f" 'n[{n}:99999]': {{}}\n" for n in range(20_000)),
    ],
    ids=[
        "servers",
        "brackets",
        "long",
        "dashes",
        "keys",
        "product",
        "range",
        "glob",
        "url",
        "regex",
        "unknown",
        "groups",
        "jumps",
        "ranges",
    ],
)
def test_large_and_hostile_texts_end_in_time(text: str) -> None:
    code = (
        "import sys, time; from tests.declaration.trees import loaded; t = time.process_time();"
        "loaded(sys.stdin.read()); print(time.process_time() - t)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code],
        input=text,
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=30,
        check=False,
        preexec_fn=limit_memory,
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert float(ended.stdout) < 2 * MOST_SECONDS


def limit_memory() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
