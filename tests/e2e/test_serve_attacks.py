"""`ctl serve` among people who mean it no good: strangers at its doors, two at once, and secrets that want to get out."""

import base64
import json
import time
import urllib.parse
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.e2e.fleet import Fleet, wait_for
from tests.e2e.serving import serving

CANARIES = {
    "WORD": "canary-word-5b1f'\"é",
    "HOOK": "canary-hook-77aa01",
    "TELL": "http://127.0.0.1:9/canary-notifier-9d20?k=canary-query-4e",
    "FORGE": "canary-forge-c0ffee",
}
DECLARED = """\
secrets:
  word: {env: WORD}
  hook: {env: HOOK}
  tell: {env: TELL}
  forge: {env: FORGE}
  absent: {env: NOWHERE_TO_BE_FOUND}
repos:
  shop: {url: "https://127.0.0.1:9/shop.git", token: forge, webhook: hook}
notifiers:
  ops: {url: {secret: tell}, events: [failed, unreachable, invalid, recovered]}
tasks:
  leak:
    secrets: {PASSWORD: word}
    run: 'echo "it is $PASSWORD"; echo "$PASSWORD" | base64 >&2; exit 3'
  never: {secrets: {PASSWORD: absent}, run: "true"}
targets:
  leak: {servers: here, task: leak}
  never: {servers: here, task: never}
  shop: {servers: here, task: never, repo: shop}
"""


def spellings(value: str) -> set[bytes]:
    """Write a secret in the ways in which it gets out."""
    raw = value.encode()
    return {
        raw,
        base64.b64encode(raw),
        urllib.parse.quote(value, safe="").encode(),
        json.dumps(value)[1:-1].encode(),
        raw.hex().encode(),
    }


def test_whatever_serve_writes_and_says_holds_no_secret(fleet: Fleet) -> None:
    fleet.variables.update(CANARIES)
    fleet.declare(DECLARED)
    with serving(fleet, "--debug") as served:
        wait_for(lambda: any(job["state"] == "failed" for job in served.jobs()), seconds=40)
        (failed, *_) = [job for job in served.jobs() if job["state"] == "failed"]
        told = [
            str(served.ask(path))
            for path in (
                "/api/v1/status", "/api/v1/targets", "/api/v1/targets/leak", "/api/v1/targets/never",
                "/api/v1/repos", "/api/v1/repos/shop", "/api/v1/tasks/leak", "/api/v1/state", "/api/v1/runs",
                "/api/v1/drift", "/api/v1/logs/activity", "/api/v1/logs/connectivity", "/health", "/metrics", "/",
                f"/api/v1/jobs/{failed['id']}", f"/api/v1/jobs/{failed['id']}/output?format=octets",
                "/api/v1/why?target=leak&server=here",
            )
        ]  # fmt: skip
        for path, body in (
            ("/api/v1/plans", {"full": True, "refresh": True}),
            ("/api/v1/repos/shop/check", {}),
            ("/api/v1/runs", {"kind": "run", "target": "leak"}),
            ("/api/v1/runs", {"kind": "apply", "heal": True}),
            (f"/api/v1/jobs/{failed['id']}/retry", {}),
            ("/api/v1/targets/leak/suspend", {"reason": "enough"}),
        ):
            told.append(str(served.ask(path, method="POST", body=body)))
        for signed in (
            {},
            {"X-Gitlab-Token": "wrong"},
            {"X-Hub-Signature-256": "sha256=" + "0" * 64},
        ):
            answer = httpx.post(f"{served.url}/hooks/shop", content=b"{}", headers=signed)
            assert answer.status_code == 401
            told.append(answer.text)
        fleet.config.commit(
            {"pipelines/main.yaml": DECLARED + "  broken: {servers: none, task: leak}\n"}
        )
        served.look()
        wait_for(lambda: served.ctl("status").code == 1, seconds=30)
        time.sleep(3)
        told.append(served.ctl("status").all)
        assert served.stop() == 0
        written = {"the answers": "\n".join(told).encode(), "the process": served.text.encode()}
    assert b"it is" in written["the answers"]
    for file in fleet.state.rglob("*"):
        if file.is_file():
            written[str(file.relative_to(fleet.state))] = file.read_bytes()
    found = [
        (where, name, spelling)
        for name, value in CANARIES.items()
        for spelling in spellings(value)
        for where, data in written.items()
        if spelling in data
    ]
    assert not found


def test_two_who_ask_at_once_are_carried_out_one_after_the_other(fleet: Fleet) -> None:
    log = fleet.folder / "log"
    fleet.declare(
        f"tasks: {{a: {{run: 'echo in >> {log}; sleep 1; echo out >> {log}'}}}}\n"
        "targets: {t: {servers: here, task: a, on_commit: ignore}}\n"
    )
    with serving(fleet) as served, ThreadPoolExecutor(8) as pool:
        wait_for(lambda: served.sync() is not None, seconds=40)
        body = {"kind": "run", "target": "t"}
        asked = [
            pool.submit(served.ask, "/api/v1/runs", method="POST", body=body) for _ in range(4)
        ]
        codes = [one.result()[0] for one in asked]
        assert 202 in codes
        assert set(codes) <= {200, 202, 409}  # 200: nothing can be begun now, and it says why
        wait_for(lambda: all(job["state"] == "succeeded" for job in served.jobs()), seconds=60)
        assert len(served.jobs()) == codes.count(202)
    assert log.read_text().split() == ["in", "out"] * codes.count(202)


def test_of_many_who_replace_a_token_at_once_one_does(fleet: Fleet) -> None:
    fleet.declare("tasks: {a: {run: 'true'}}\ntargets: {t: {servers: here, task: a}}\n")
    with serving(fleet) as served, ThreadPoolExecutor(8) as pool:
        body = {"name": "ci", "role": "operator"}
        code, made = served.ask("/api/v1/tokens", method="POST", body=body)
        assert code == 201
        assert isinstance(made, dict)
        path = f"/api/v1/tokens/{made['id']}/rotate"
        asked = [pool.submit(served.ask, path, method="POST", body={}) for _ in range(8)]
        answers = [one.result() for one in asked]
        assert sorted(code for code, _ in answers) == [201, *[409] * 7]
        _, listed = served.ask("/api/v1/tokens")
        assert isinstance(listed, list)
        good = [one for one in listed if one["refusal"] is None]
        assert sorted(one["name"] for one in good) == ["admin", "ci", "ci"]


def test_stops_and_retries_at_once_leave_every_job_ended_once(fleet: Fleet) -> None:
    log = fleet.folder / "log"
    fleet.declare(
        f"tasks: {{a: {{run: 'echo in >> {log}; sleep 30'}}}}\n"
        "targets: {t: {servers: here, task: a, on_commit: ignore}}\n"
    )
    with serving(fleet) as served, ThreadPoolExecutor(8) as pool:
        wait_for(lambda: served.sync() is not None, seconds=40)
        code, told = served.ask("/api/v1/runs", method="POST", body={"kind": "run", "target": "t"})
        assert code == 202
        assert isinstance(told, dict)
        job = told["jobs"][0]["id"]
        wait_for(log.exists, seconds=30)
        words: list[tuple[str, object]] = [
            ("stop", {}),
            ("retry", {}),
            ("stop", {}),
            ("retry", {}),
            ("pause", {}),
        ]
        asked = [
            pool.submit(served.ask, f"/api/v1/jobs/{job}/{word}", method="POST", body=body)
            for word, body in words
        ]
        codes = [one.result()[0] for one in asked]
        assert 500 not in codes, codes
        for _ in range(10):
            for one in served.jobs():
                if one["finished_at"] is None:
                    served.ask(f"/api/v1/jobs/{one['id']}/stop", method="POST", body={})
        wait_for(lambda: all(one["finished_at"] for one in served.jobs()), seconds=40)
        assert all(one["state"] in {"cancelled", "skipped"} for one in served.jobs())
    fleet.ctl("logs", "verify").ended(0)


def test_a_backup_while_work_is_done_restores_whole(fleet: Fleet, tmp_path: Path) -> None:
    fleet.declare(
        "tasks: {a: {run: 'seq 2000'}}\ntargets: {t: {servers: here, task: a, on_commit: ignore}}\n"
    )
    with serving(fleet) as served, ThreadPoolExecutor(4) as pool:
        wait_for(lambda: served.sync() is not None, seconds=40)
        body = {"kind": "run", "target": "t"}
        asked = [
            pool.submit(served.ask, "/api/v1/runs", method="POST", body=body) for _ in range(3)
        ]
        headers = {"authorization": f"Bearer {served.token}"}
        kept = httpx.post(f"{served.url}/api/v1/backup", headers=headers, timeout=60)
        assert kept.status_code == 200
        answers = [one.result() for one in asked]
        for status, told in answers:
            # Recorded, refused, or held back by what is at work, which is named then.
            assert isinstance(told, dict)
            waits = status == 200 and told["run"] is None and told["held"]
            assert status in {202, 409} or waits, answers
    file = tmp_path / "b.tar.gz"
    file.write_bytes(kept.content)
    other = tmp_path / "other"
    fleet.ctl("restore", str(file), "--state", str(other)).ended(0)
    fleet.ctl("logs", "verify", state=other).ended(0)


@pytest.mark.sweep
@pytest.mark.timeout(600)
def test_a_server_that_says_no_end_of_things_keeps_nobody_waiting(fleet: Fleet) -> None:
    fleet.declare(
        "tasks: {loud: {run: 'yes'}, quiet: {run: 'echo fine'}}\n"
        "targets: {a: {servers: here, task: loud}, b: {servers: here, task: quiet}}\n",
        inventory__servers_yaml="servers: {here: {local: {}, concurrency: 2}}\n",
    )
    with serving(fleet) as served:
        wait_for(lambda: served.in_sync("b"), seconds=40)
        wait_for(lambda: any(job["state"] == "running" for job in served.jobs()), seconds=20)
        took = []
        for _ in range(40):
            began = time.monotonic()
            assert served.ask("/healthz")[0] == 200
            took.append(time.monotonic() - began)
        assert sorted(took)[20] < 1.0, took
        (loud,) = [job for job in served.jobs() if job["target"] == "a"]
        assert loud["state"] == "running"
        status = Path(f"/proc/{served.process.pid}/status").read_text()
        (peak,) = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")]
        assert int(peak) < 400 << 10, "kB"
        path = f"/api/v1/jobs/{loud['id']}/stop"
        assert served.ask(path, method="POST", body={})[0] == 200
        wait_for(lambda: all(job["finished_at"] for job in served.jobs()), seconds=40)
