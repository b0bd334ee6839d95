"""Inputs of delivered files lead to the lines of their template, and their names to what is gone."""

from dataclasses import replace

import pytest

from controller.model.diagnostic import Place, Span
from controller.model.digest import digest_of
from controller.model.work import Input
from controller.planning.origins import gone_name, origins
from tests.planning.delivered import CONF, file, work
from tests.planning.world import place, server

NAME = f"files.{CONF}.content"
TEMPLATE = Span(file="templates/shop.conf", first=1, last=9)


def test_a_file_comes_from_its_variables_its_key_and_its_template() -> None:
    one = Input(
        digest=digest_of("new"), place=place(40), text=TEMPLATE, uses=("params.a", "vars.port")
    )
    made = replace(work(file()), inputs={NAME: one})
    vars_place = Place(file="inventory/servers.yaml", line=7)
    machine = server("web-1", origins={"port": vars_place})
    assert origins(made, [NAME], machine) == (
        Span(file="inventory/servers.yaml", first=7, last=7),
        Span(file="pipelines/shop.yaml", first=40, last=40),
        TEMPLATE,
    )


@pytest.mark.parametrize(
    ("name", "gone"),
    [
        (NAME, CONF),
        ("files./etc/a.b/c.mode", "/etc/a.b/c"),
        ("checkout.path", "checkout"),
        ("params.channel", "channel"),
        ("steps.old.run", "old"),
    ],
)
def test_what_is_gone_is_called_by_its_key(name: str, gone: str) -> None:
    assert gone_name(name, work()) == gone
