import pytest

from controller.model.inventory import Check
from tests.declaration.trees import declared, findings, loaded


def test_a_server_says_how_often_it_is_looked_at() -> None:
    text = "servers: {a: {check: {interval: 1h, retries: 0, retry_delay: 30s}}, b: {}}\n"
    servers = declared(text).inventory.servers
    assert servers["a"].check == Check(interval=3_600.0, retries=0, retry_delay=30.0)
    assert servers["b"].check == Check()


@pytest.mark.parametrize(
    ("check", "expected"),
    [
        ("{interval: '0'}", "1:37 wrong-value"),
        ("{interval: 59s}", "1:37 wrong-value"),
        ("{interval: 999d}", "1:37 wrong-value"),
        ("{retry_delay: '0'}", "1:40 wrong-value"),
        ("{retry_delay: 2d}", "1:40 wrong-value"),
        ("{retries: -1}", "1:36 wrong-value"),
        ("{retry: 1}", "1:27 unknown-key"),
    ],
)
def test_a_server_is_neither_looked_at_without_a_pause_nor_never(check: str, expected: str) -> None:
    text = f"servers: {{web-1: {{check: {check}}}}}\n"
    assert findings(loaded(text)) == [f"inventory/all.yaml:{expected}"]


def test_what_a_group_says_for_many_is_told_once() -> None:
    text = (
        "groups: {web: {defaults: {check: {interval: 1s}}}}\n"
        "servers: {'web-[1:9]': {groups: [web]}}\n"
    )
    assert len(findings(loaded(text))) == 1
