"""What a server can hold of limits, as it says itself."""

from controller.transport.limitable import limitable, limits_seen
from controller.transport.port import Facts


def facts(*tools: str, agent: str = "") -> Facts:
    return Facts(
        boot_id="b", login="root", root=True, base="/x", tools=frozenset(tools), agent=agent
    )


def test_a_runner_names_the_controllers_it_has() -> None:
    assert limits_seen(facts("cgroup", "limit-io", "limit-cpu")) == ("cpu", "io")
    assert limits_seen(facts("cgroup", "setsid")) == ()
    assert limitable(frozenset({"limit-", "limit-rdma", "cpu"})) == ()


def test_an_agent_judges_its_limits_itself() -> None:
    assert limits_seen(facts("limit-cpu", agent="0.1.0")) is None
