"""What a declaration gives can be recorded."""

from controller.model.ids import JobId
from controller.store.rows import BodyRow, decode, encode
from tests.declaration.trees import declared


def test_a_declared_server_with_variables_of_its_own_comes_back_as_it_was() -> None:
    text = "servers:\n  a: {groups: [g], vars: {x: 1}}\ngroups:\n  g: {vars: {y: 2}}\n"
    server = declared(text).inventory.servers["a"]
    row = BodyRow(job=JobId("j"), server=server)
    back = decode(BodyRow, encode(row)).server
    assert back.vars == {"x": 1, "y": 2}
    assert dict(back.origins) == dict(server.origins)
    assert back.origins["x"].line == 2
