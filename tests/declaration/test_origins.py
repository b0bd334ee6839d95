"""The places of variables, found late, are those that would have been found at once."""

from controller.declaration.block import Block
from controller.declaration.forms import Role, make_form
from controller.declaration.origins import Origins
from controller.model.diagnostic import Place

TEXT = b"""\
servers:
  web-1:
    vars:
      port: 80
      zone: b
"""
OF_GROUP = {"zone": Place(file="groups.yaml", line=3, column=5), "tier": Place(file="groups.yaml")}


def block() -> Block:
    return make_form("inventory/web.yaml", TEXT, Role.DECLARATIONS).blocks[0]


def test_a_servers_own_variables_lie_over_those_of_its_groups() -> None:
    found = Origins(OF_GROUP, block())
    assert found["port"] == Place(file="inventory/web.yaml", line=4, column=7)
    assert found["zone"] == Place(file="inventory/web.yaml", line=5, column=7)
    assert found["tier"] == OF_GROUP["tier"]
    assert found.get("other") is None


def test_it_counts_compares_and_shows_as_a_dictionary_does() -> None:
    found = Origins(OF_GROUP, block())
    assert list(found) == ["zone", "tier", "port"]
    assert len(found) == 3
    assert found == dict(found)
    assert repr(found) == repr(dict(found))
    assert found != OF_GROUP
