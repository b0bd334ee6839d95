"""group_vars and host_vars beside an inventory."""

from collections.abc import Mapping

import pytest

from controller.model.diagnostic import Place
from tests.declaration.ansible.reading import errors, good, read, warnings


@pytest.mark.parametrize("name", ["web", "web.yml", "web.yaml", "web.json", "web/a.yml", "web/x/b"])
def test_a_group_has_a_file_or_a_folder(name: str) -> None:
    found = good({"i/hosts.ini": "[web]\nh1\n", f"i/group_vars/{name}": '{"a": 1}'}, "i/hosts.ini")
    assert found.hosts == {"h1": {"a": 1}}
    assert found.origins["h1"]["a"] == Place(file=f"i/group_vars/{name}", line=1, column=2)


def test_only_the_first_form_that_is_there_counts() -> None:
    files = {"hosts.ini": "h1\n", "host_vars/h1": "a: 1\n", "host_vars/h1.yml": "a: 2\nb: 2\n"}
    assert good(files).hosts == {"h1": {"a": 1}}


def test_files_of_a_folder_come_in_order_of_name_and_some_are_left_out() -> None:
    files = {
        "hosts.ini": "h1\n",
        "host_vars/h1/b.yml": "a: b\n",
        "host_vars/h1/a.yml": "a: a\nx: 1\n",
        "host_vars/h1/.hidden.yml": "a: no\n",
        "host_vars/h1/old.yml~": "a: no\n",
        "host_vars/h1/z.txt": "a: no\n",
    }
    assert good(files).hosts == {"h1": {"a": "b", "x": 1}}


def test_beside_a_folder_means_inside_of_it() -> None:
    files: Mapping[str, str] = {
        "inv/hosts": "h1\n",
        "inv/group_vars/all.yml": "a: in\n",
        "inv/sub/hosts": "h2\n",
        "inv/sub/group_vars/all.yml": "b: not read\n",
        "group_vars/all.yml": "c: not read\n",
    }
    assert good(files, "inv").hosts == {"h1": {"a": "in"}, "h2": {"a": "in"}}


def test_a_wholly_vaulted_file_is_named_and_its_variables_are_not_known() -> None:
    files = {"hosts.ini": "h1\n", "group_vars/all/vault.yml": "$ANSIBLE_VAULT;1.1;AES256\n61\n"}
    found = good(files)
    assert found.hosts == {"h1": {}}
    assert [item.source for item in found.secrets] == ["group_vars/all/vault.yml:1"]
    assert warnings(found)[0].startswith("group_vars/all/vault.yml:1 the whole file is encrypted")


def test_a_file_that_is_no_map_is_refused() -> None:
    found = read({"hosts.ini": "h1\n", "host_vars/h1": "- a\n"})
    assert errors(found) == ["host_vars/h1:1 cannot read variables: a map is expected"]


def test_the_name_of_a_host_never_leads_out_of_the_folder() -> None:
    files = {"hosts.ini": "../../secret\n/secret\n", "secret": "a: 1\n", "host_vars/x": "a: 2\n"}
    assert good(files).hosts == {"../../secret": {}, "/secret": {}}
