"""The reader agrees with `ansible-inventory` on inventories of public projects."""

import pytest

from controller.declaration.ansible import inventory, listing
from controller.model.diagnostic import Place, Severity
from tests.declaration.ansible.cases import ROOT, Case, all_cases
from tests.fakes.trees import folder_tree

HERE = Place(file="inventory/all.yaml", line=7)
CASES = list(all_cases())
READABLE = [case for case in CASES if not case.refused]
REFUSED = [case for case in CASES if case.refused]

pytestmark = pytest.mark.skipif(not CASES, reason=f"no cases in {ROOT}")


def read(case: Case) -> inventory.AnsibleInventory:
    return inventory.read(folder_tree(case.source), case.path, place=HERE)


@pytest.mark.parametrize("case", READABLE, ids=str)
def test_hosts_groups_and_merged_variables_are_those_of_ansible(case: Case) -> None:
    found = read(case)
    assert [item for item in found.diagnostics if item.severity is Severity.ERROR] == []
    assert listing.ansible(found) == case.answer()


@pytest.mark.parametrize("case", READABLE, ids=str)
def test_variables_stay_with_the_group_that_has_them(case: Case) -> None:
    assert listing.ansible(read(case), export=True) == case.answer(export=True)


@pytest.mark.parametrize("case", READABLE, ids=str)
def test_every_variable_of_every_host_has_a_place_in_a_file_that_is_there(case: Case) -> None:
    found = read(case)
    files = folder_tree(case.source).entries
    for name, values in found.hosts.items():
        assert found.origins[name].keys() == values.keys()
        assert {place.file for place in found.origins[name].values()} <= files.keys()


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_what_ansible_refuses_is_refused_with_file_and_line(case: Case) -> None:
    found = read(case)
    errors = [item for item in found.diagnostics if item.severity is Severity.ERROR]
    assert found.hosts == {}
    assert errors
    assert {item.place.file for item in errors} == {case.path}
    assert all(item.place.line > 1 for item in errors)
