from hypothesis import given, strategies as st

from controller.jobs.outputs import KEY, LIMIT, parse_outputs


def test_lines_are_outputs_and_the_last_of_a_key_counts() -> None:
    found = parse_outputs(b"a=1\n\nb=x=y\r\na=2")
    assert found.values == {"a": "2", "b": "x=y"}
    assert found.refused == 0


def test_what_is_no_output_is_counted() -> None:
    found = parse_outputs(b"a b=1\nno equals\n=x\nn=\0\n\xff=1\nok=\xff")
    assert found.values == {"ok": "\ufffd"}
    assert found.refused == 5


def test_there_are_never_too_many() -> None:
    found = parse_outputs(b"".join(b"k%d=%d\n" % (n, n) for n in range(LIMIT + 5)) + b"k0=last\n")
    assert len(found.values) == LIMIT
    assert found.refused == 5
    assert found.values["k0"] == "last"


@given(st.binary())
def test_any_bytes_give_only_proper_outputs(content: bytes) -> None:
    for key, value in parse_outputs(content).values.items():
        assert KEY.fullmatch(key)
        assert "\0" not in value
        assert "\n" not in value
