"""The numbers of a controller at work, as Prometheus' own tools read them."""

import subprocess

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.fleet import Fleet, wait_for
from tests.e2e.serving import Served, serving
from tests.scenes.conftest import program

DECLARED = """\
tasks:
  good: {run: 'true'}
  bad: {run: 'exit 3'}
targets:
  good: {servers: here, task: good}
  bad: {servers: here, task: bad}
"""


def worked(fleet: Fleet) -> str:
    """Have a controller do some work, some of it in vain, and answer some requests; give its numbers."""
    fleet.declare(DECLARED)
    with serving(fleet) as served:
        wait_for(lambda: served.in_sync("good") and ended(served) == 2, seconds=30)
        assert served.ask("/api/v1/nothing")[0] == 404
        assert served.ask("/api/v1/targets", token=None)[0] in {200, 401}
        answer = httpx.get(f"{served.url}/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return answer.text


def ended(served: Served) -> int:
    return sum(job["state"] in {"succeeded", "failed"} for job in served.jobs())


@pytest.mark.sweep
def test_the_linter_of_prometheus_finds_nothing(fleet: Fleet) -> None:
    promtool = program("promtool", "prometheus")
    said = linted(promtool, worked(fleet))
    assert (said.returncode, said.stdout, said.stderr) == (0, "", "")


def test_the_linter_would_find_something() -> None:
    promtool = program("promtool", "prometheus")
    bad = "# TYPE took_milliseconds counter\ntook_milliseconds 1\n"
    assert linted(promtool, bad).returncode != 0


def linted(promtool: str, text: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [promtool, "check", "metrics"],
        input=text,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.sweep
def test_the_reader_of_its_python_client_reads_all_of_it(fleet: Fleet) -> None:
    families = {one.name: one for one in text_string_to_metric_families(worked(fleet))}
    samples = [sample for one in families.values() for sample in one.samples]
    told = {(one.name, *sorted(one.labels.values())) for one in samples}
    assert len(told) == len(samples), "no sample is told twice"
    assert all(one.documentation and one.type != "unknown" for one in families.values())
    values = {(one.name, *sorted(one.labels.values())): one.value for one in samples}
    assert values["ctl_target_servers_in_sync", "good"] == 1
    assert values["ctl_jobs_recorded_total", "inputs"] >= 2
    assert values["ctl_http_requests_total", "4xx", "none"] >= 1
