"""Settings of an agent: command line before file before defaults, every finding at once and with its place."""

import os
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from controller.agent.errors import FolderError, SettingsError
from controller.agent.options import OPTIONS
from controller.agent.settings import Settings, check_run, describe, load_settings
from controller.agent.values import Address

NONE = "/none/agent.conf"
"""Not the settings of the machine the tests run on."""


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    path = tmp_path / "agent.conf"
    path.write_text(
        "# what this server offers\nscripts = /opt/scripts\n\n  workers=3\ndisk = /\ndisk = /var\n"
    )
    path.chmod(0o600)
    return path


def refusal(*words: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load_settings(words, usual=NONE)
    return caught.value.message.split("\n")


def test_the_command_line_comes_before_the_file_and_the_file_before_defaults(conf: Path) -> None:
    read = load_settings(["--config", str(conf), "--workers", "5", "--listen=192.0.2.1", "--drain"])
    assert read == Settings(
        listen=Address(host="192.0.2.1", port=9443),
        scripts="/opt/scripts",
        workers=5,
        disk=("/", "/var"),
        drain=True,
    )


def test_nothing_is_read_from_the_environment(conf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for option in OPTIONS:
        for name in (f"CTL_{option.field}", f"CTL_AGENT_{option.field}"):
            monkeypatch.setenv(name.upper(), "7")
    assert load_settings(["--config", str(conf)]).workers == 3


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("192.0.2.1:9443", "192.0.2.1", 9443),
        ("web-1.example.com", "web-1.example.com", 9443),
        ("[2001:db8::1]:1", "2001:db8::1", 1),
        ("[::]", "::", 9443),
        ("127.0.0.1:0", "127.0.0.1", 0),
    ],
)
def test_addresses_are_read_with_and_without_port(text: str, host: str, port: int) -> None:
    read = load_settings(["--listen", text], usual=NONE).listen
    assert read == Address(host=host, port=port)
    assert read is not None
    assert load_settings([f"--listen={read}"], usual=NONE).listen == read


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--listen", ":9443"], '--listen: cannot use ":9443" as listen: such as 192.0.2.1:9443'),
        (["--listen", "::1:9443"], "such as"),
        (["--listen", "a:99999"], "a port from 0 to 65535"),
        (["--connect", "a:0"], "a port from 1 to 65535"),
        (["--listen", "http://a:1"], "such as"),
        (["--proxy", "proxy"], "such as"),
        (["--proxy", "user:pass@proxy:3128"], "such as"),
        (["--scripts", "here"], "an absolute path"),
        (["--scripts", "/a/../b"], "a path without . and .."),
        (["--state", "/a\nb"], "an absolute path of printable"),
        (["--workers", "0"], "a whole number from 1 to 1000"),
        (["--workers", "²"], "a whole number"),
        (["--keep", "48"], "a duration such as 30s"),
        (["--keep", "1s"], "from 60s"),
        (["--name", "../x"], "letters, digits"),
        (["--scripts-only=perhaps"], "yes or no"),
        (["--worker", "1"], '--worker: cannot set "worker": no such setting, did you mean workers?'),
        (["--workers", "1", "--workers", "2"], "--workers: cannot set workers twice"),
        (["--listen"], "--listen: needs a value: HOST:PORT"),
        (["--scripts", "--drain"], "--scripts: needs a value: DIR"),
        (["--config"], "--config: needs a value: FILE"),
        (["--config", "conf"], '--config: cannot use "conf": an absolute path'),
        (["--config", "/none/agent.conf"], "cannot read /none/agent.conf: no such file"),
        (["run"], 'cannot read "run"'),
    ],
)  # fmt: skip
def test_a_bad_word_is_refused_with_its_place_and_what_would_be_right(
    words: list[str], message: str
) -> None:
    (line,) = refusal(*words)
    assert message in line
    assert line.isprintable()


def test_every_finding_of_a_file_is_told_at_once_with_line_and_column(conf: Path) -> None:
    conf.write_text("workers = many\n[agent]\n  colour = red\nscripts = /a\nscripts = /b\n")
    assert refusal("--config", str(conf), "--keep", "x") == [
        f'{conf}:1:1: cannot use "many" as workers: a whole number from 1 to 1000',
        f'{conf}:2:1: cannot read "[agent]": lines are name = value',
        f'{conf}:3:3: cannot set "colour": no such setting',
        f"{conf}:5:1: cannot set scripts twice",
        '--keep: cannot use "x" as keep: a duration such as 30s, 15m, 48h or 7d, from 60s to 31622400s',
    ]


def test_a_file_of_bytes_or_without_end_is_refused(conf: Path) -> None:
    conf.write_bytes(b"name = \xff\n")
    assert "byte 7 is no UTF-8" in refusal("--config", str(conf))[0]
    conf.write_bytes(b"#" * 70_000)
    with pytest.raises(FolderError, match="more than 65536 bytes"):
        load_settings(["--config", str(conf)])


def test_a_file_that_others_may_write_is_refused(conf: Path) -> None:
    conf.chmod(0o620)
    with pytest.raises(FolderError, match="can be written to by others"):
        load_settings(["--config", str(conf)])
    conf.chmod(0o600)
    conf.parent.chmod(0o777)
    with pytest.raises(FolderError, match="can be written to by others"):
        load_settings(["--config", str(conf)])


def test_a_link_or_pipe_is_no_file_of_settings(conf: Path) -> None:
    link = conf.with_name("link")
    link.symlink_to(conf)
    with pytest.raises(FolderError, match="cannot read"):
        load_settings(["--config", str(link)])
    pipe = conf.with_name("pipe")
    os.mkfifo(pipe, 0o600)
    with pytest.raises(FolderError, match="no regular file"):
        load_settings(["--config", str(pipe)])


HERE, THERE = Address(host="h", port=1), Address(host="c", port=2)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (Settings(), "exactly one"),
        (Settings(listen=HERE, connect=THERE), "exactly one"),
        (Settings(listen=HERE, proxy=THERE), "cannot use --proxy"),
        (Settings(listen=HERE, scripts_only=True), "cannot use --scripts-only"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(settings: Settings, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        check_run(settings)


def test_settings_that_go_together_run() -> None:
    check_run(Settings(connect=THERE, proxy=HERE, scripts="/s", scripts_only=True))


def test_help_names_every_setting() -> None:
    for option in OPTIONS:
        assert f"--{option.name}" in describe()


words = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True)
hosts = st.from_regex(r"[a-z][a-z0-9-]{0,20}\.example", fullmatch=True) | st.ip_addresses(v=6).map(
    str
)
paths = st.lists(
    st.text(st.characters(categories=["L", "N", "P", "S", "Zs"], exclude_characters="/"), min_size=1),
    min_size=1,
    max_size=3,
).map(lambda parts: "/" + "/".join(f"p{part}q" for part in parts)).filter(str.isprintable)  # fmt: skip
addresses = st.builds(Address, host=hosts, port=st.integers(1, 65535))


@given(
    st.builds(
        Settings,
        listen=st.none() | addresses,
        connect=st.none() | addresses,
        proxy=st.none() | addresses,
        name=st.just("") | words,
        pki=paths,
        state=paths,
        cgroup=st.just("") | paths,
        scripts=st.just("") | paths,
        scripts_only=st.booleans(),
        workers=st.integers(1, 1000),
        keep=st.integers(60, 31_622_400),
        disk=st.lists(paths, min_size=1, max_size=3).map(tuple),
        drain=st.booleans(),
    )
)
def test_settings_written_as_a_command_line_read_as_the_same(settings: Settings) -> None:
    assert load_settings(settings.arguments(), usual=NONE) == settings
