"""INI inventories: sections, lines of hosts, and what is wrong told with its line."""

import pytest

from tests.declaration.ansible.reading import errors, good, read


def test_a_host_may_be_in_many_groups_and_is_then_not_ungrouped() -> None:
    found = good("h1\nh2\n[a]\nh1\n[b]\nh1\n")
    assert found.groups["a"].servers == ("h1",)
    assert found.groups["b"].servers == ("h1",)
    assert found.groups["ungrouped"].servers == ("h2",)


def test_a_group_named_twice_is_one_group() -> None:
    assert good("[a]\nh1\n[b]\n[a]\nh2\n").groups["a"].servers == ("h1", "h2")


def test_words_of_a_host_line_are_quoted_as_in_a_shell() -> None:
    found = good("""h1 a="x y" b='["q"]' c=a\\ b d="'5'" e='5' f=p#q g=1\n""")
    assert found.hosts["h1"] == {
        "a": "x y",
        "b": ["q"],
        "c": "a b",
        "d": "5",
        "e": 5,
        "f": "p",
    }


def test_a_comment_ends_a_host_line_but_not_the_value_of_a_variable() -> None:
    found = good("h1 a=1 # note\n; note\n# note\n[all:vars]\nb=x # y\nc=2 # z\n")
    assert found.hosts["h1"] == {"a": 1, "b": "x # y", "c": 2}


def test_templates_stay_text() -> None:
    found = good("""h1 a="{{ lookup('pipe', 'id') }}"\n[all:vars]\nb={{ x }}\n""")
    assert found.hosts["h1"] == {"a": "{{ lookup('pipe', 'id') }}", "b": "{{ x }}"}


def test_a_port_is_a_variable_and_the_first_one_stays() -> None:
    found = good("h1:22\nh1:23\n[2001:db8::1]:2222\n2001:db8::2\n")
    assert found.hosts["h1"] == {"ansible_port": 22}
    assert found.hosts["2001:db8::1"] == {"ansible_port": 2222}
    assert found.hosts["2001:db8::2"] == {}


def test_a_child_may_be_declared_after_its_parent() -> None:
    found = good("[p:children]\nc\n[q:children]\nc\n[c]\nh1\n[p:vars]\nx=1\n")
    assert found.groups["p"].children == ("c",)
    assert found.groups["q"].children == ("c",)
    assert found.hosts["h1"] == {"x": 1}


def test_variables_of_a_group_may_come_before_the_group() -> None:
    assert good("[g:vars]\nx=1\n[g]\nh1\n").hosts["h1"] == {"x": 1}


def test_names_of_groups_stay_as_they_are() -> None:
    assert {"AWS-west", "k8s.nodes", "9"} <= good("[AWS-west]\n[k8s.nodes]\n[9]\n").groups.keys()


def test_a_file_with_nothing_in_it_is_an_inventory() -> None:
    assert good("").hosts == {}
    assert good("\r\n# only this\r\n").hosts == {}


def test_lines_may_end_as_on_windows() -> None:
    assert good("[a]\r\nh1 x=1\r\n").hosts == {"h1": {"x": 1}}


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("[a:hots]\n", "hosts.ini:1 cannot read a section of type 'hots'"),
        ("[a b]\nh1\n", "hosts.ini:1 cannot read the section '[a b]'"),
        ("[a]\nh1\n\n[broken\n", "hosts.ini:4 cannot read the host pattern"),
        ("h1 word\n", "hosts.ini:1 cannot read 'word': a host takes KEY=VALUE"),
        ('\nh1 a="b\n', "hosts.ini:2 cannot split"),
        ("[a]\n[a:vars]\nword\n", "hosts.ini:3 cannot read 'word': a variable is KEY=VALUE"),
        ("[g:vars]\nx=1\n", "hosts.ini:1 cannot set variables of the undefined group 'g'"),
        ("[p:children]\nc\n", "hosts.ini:2 cannot find the child group 'c'"),
        ("[p:children]\nc x=1\n[c]\n", "hosts.ini:2 cannot read 'c x=1'"),
        ("[p:children]\np\n", "hosts.ini:2 cannot make group 'p' a child of itself"),
        ("---\nh1\n", "hosts.ini:1 cannot read the host pattern: '---' begins a YAML file"),
        ("all:\n", "hosts.ini:1 cannot read the host pattern: 'all:' ends in ':'"),
        ('"" a=1\n', "hosts.ini:1 cannot use an empty host name"),
        ("h1 a={[]:1}\n", "hosts.ini:1 cannot read '{[]:1}' as a value"),
        ("\x1b[1m\n", "hosts.ini:1 cannot read the host pattern"),
        ("h\x1b\n", "hosts.ini:1 cannot use 'h\\x1b' as a host name"),
        (
            "[g]\n[g:vars]\nansible_group_priority=high\n",
            "hosts.ini:3 cannot use 'high' as ansible_group_priority",
        ),
    ],
)
def test_what_cannot_be_read_is_told_with_its_line(text: str, wrong: str) -> None:
    found = read(text)
    assert [item[: len(wrong)] for item in errors(found)] == [wrong]
    assert found.hosts == {}


def test_every_wrong_line_is_told_in_one_pass() -> None:
    assert len(errors(read("h1 a\nh2\nh[1:\n[x:y]\n"))) == 3


def test_a_circle_of_groups_is_told_where_it_closes() -> None:
    found = read("[a:children]\nb\n[b:children]\nc\n[c:children]\na\n")
    assert errors(found) == ["hosts.ini:6 cannot make 'a' a child of 'c': it is above it already"]
