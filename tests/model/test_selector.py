import pytest
from hypothesis import given, strategies as st

from controller.model.inventory import Group, Inventory, Server
from controller.model.selector import SelectorError, match, parse, unknown


def server(name: str, *groups: str, **labels: str) -> Server:
    return Server(name=name, address=name, groups=groups, labels=labels)


SERVERS = (
    server("db-1", "db", env="prod"),
    server("lone", env="test"),
    server("web-01", "prod", "web", env="prod", zone="a"),
    server("web-02", "prod", "web", env="prod", zone="b"),
    server("web-03", "web", env="test", zone="a"),
)
FLEET = Inventory(
    servers={item.name: item for item in SERVERS},
    groups={
        "web": Group(name="web", servers=("web-01", "web-02", "web-03")),
        "prod": Group(name="prod", servers=("web-01", "web-02")),
        "db": Group(name="db", servers=("db-1",)),
        "everything": Group(name="everything", children=("web", "db")),
        "circle": Group(name="circle", servers=("lone",), children=("circle",)),
    },
)


def picked(text: str) -> tuple[str, ...]:
    return match(parse(text), FLEET)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("all", "db-1 lone web-01 web-02 web-03"),
        ("*", "db-1 lone web-01 web-02 web-03"),
        ("web", "web-01 web-02 web-03"),
        ("everything", "db-1 web-01 web-02 web-03"),
        ("circle", "lone"),
        ("ungrouped", "lone"),
        ("web-02", "web-02"),
        ("web:db", "db-1 web-01 web-02 web-03"),
        ("web,db", "db-1 web-01 web-02 web-03"),
        ("web , db", "db-1 web-01 web-02 web-03"),
        ("web:&prod", "web-01 web-02"),
        ("&prod:web", "web-01 web-02"),
        ("web:!web-03", "web-01 web-02"),
        ("!web-03:web", "web-01 web-02"),
        ("!web", "db-1 lone"),
        ("&web", "web-01 web-02 web-03"),
        ("web-*", "web-01 web-02 web-03"),
        ("web-0[12]*", "web-01 web-02"),
        ("web-0?", "web-01 web-02 web-03"),
        ("w*:!*3", "web-01 web-02"),
        ("env=prod", "db-1 web-01 web-02"),
        ("env=t*", "lone web-03"),
        ("env=", ""),
        ("web:&env=prod:!web-02*", "web-01"),
        ("web:&env=prod:&zone=a", "web-01"),
        ("web[0]", "web-01"),
        ("web[-1]", "web-03"),
        ("web[0:1]", "web-01 web-02"),
        ("web[1:]", "web-02 web-03"),
        ("web[7]", ""),
        ("nothing*", ""),
    ],
)
def test_patterns_pick_as_in_ansible(text: str, names: str) -> None:
    assert picked(text) == tuple(names.split())


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("", 1),
        (" ", 1),
        ("web::db", 5),
        ("web:", 5),
        ("web:~(a+)+$", 5),
        ("web:&", 5),
        ("web: a b", 6),
        ("web[0", 5),
        ("web:$(id)", 5),
        ("x" * 5000, 4096),
    ],
)
def test_what_cannot_be_read_is_told_with_its_column(text: str, column: int) -> None:
    with pytest.raises(SelectorError) as caught:
        parse(text)
    assert caught.value.column == column


def test_unknown_words_are_told_and_globs_are_not() -> None:
    terms = unknown(parse("wep:&prd:!web-9:no*:env=none:web"), FLEET)
    assert [(term.word, term.column) for term in terms] == [("wep", 1), ("prd", 5), ("web-9", 10)]


TERMS = st.sampled_from(
    [
        "web",
        "db",
        "prod",
        "web-0*",
        "env=prod",
        "all",
        "!web-03",
        "!env=test",
        "&web",
        "&zone=a",
        "lone",
    ]
)


@given(
    st.lists(TERMS, min_size=1, max_size=6).flatmap(
        lambda terms: st.tuples(st.just(terms), st.permutations(terms))
    )
)
def test_the_order_of_terms_means_nothing(both: tuple[list[str], list[str]]) -> None:
    assert picked(":".join(both[0])) == picked(",".join(both[1]))


@given(st.lists(TERMS, min_size=1, max_size=6))
def test_saying_it_twice_changes_nothing_and_the_answer_is_sorted(terms: list[str]) -> None:
    once = picked(":".join(terms))
    assert once == picked(":".join(terms * 2))
    assert list(once) == sorted(set(once))
    assert set(once) <= set(FLEET.servers)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        selector = parse(text)
    except SelectorError:
        return
    assert set(match(selector, FLEET)) <= set(FLEET.servers)
