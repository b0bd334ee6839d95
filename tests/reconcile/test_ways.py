"""Two names of one machine are one way; what a carrier does not use does not tell machines apart."""

from dataclasses import replace

from controller.model.inventory import Agent, Carrier, Server, Ssh
from controller.reconcile.walk.observe import way_to

ONE = Server(name="a", address="10.0.0.1")


def test_a_way_is_what_its_carrier_uses() -> None:
    agent = replace(ONE, carrier=Carrier.AGENT)
    assert way_to(agent) == way_to(replace(agent, name="b", ssh=Ssh(port=23)))
    assert way_to(agent) != way_to(replace(agent, agent=Agent(port=1)))
    assert way_to(agent) != way_to(ONE)
    pull = replace(ONE, carrier=Carrier.PULL)
    assert way_to(pull) == way_to(replace(pull, address="10.0.0.2"))
    assert way_to(pull) != way_to(replace(pull, name="b"))
    local = replace(ONE, carrier=Carrier.LOCAL)
    assert way_to(local) == way_to(replace(local, name="b", address="x"))
    assert way_to(ONE) != way_to(replace(ONE, ssh=Ssh(port=23)))
