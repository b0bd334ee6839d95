"""Addresses: what git may be given, and everything it never sees."""

import pytest
from hypothesis import example, given, strategies as st

from controller.errors import SourceError
from controller.source.url import Scheme, parse


@pytest.mark.parametrize(
    ("url", "scheme", "host", "port", "user"),
    [
        ("https://git.example.com/acme/shop.git", Scheme.HTTPS, "git.example.com", 443, None),
        ("https://git.example.com:8443/shop", Scheme.HTTPS, "git.example.com", 8443, None),
        ("https://bot@git.example.com/shop", Scheme.HTTPS, "git.example.com", 443, "bot"),
        ("http://localhost:3000/shop.git", Scheme.HTTP, "localhost", 3000, None),
        ("http://[::1]:3000/shop.git", Scheme.HTTP, "::1", 3000, None),
        ("ssh://git@git.example.com:2222/~/shop.git", Scheme.SSH, "git.example.com", 2222, "git"),
        ("git@git.example.com:acme/shop.git", Scheme.SSH, "git.example.com", 22, "git"),
        ("git.example.com:shop.git", Scheme.SSH, "git.example.com", 22, None),
        ("git@[2001:db8::1]:shop.git", Scheme.SSH, "2001:db8::1", 22, "git"),
        ("file:///srv/git/shop.git", Scheme.FILE, "", 0, None),
        ("/srv/git/shop.git", Scheme.FILE, "", 0, None),
        ("https://git.example.com/a%20b.git", None, "", 0, None),
    ],
)
def test_addresses_are_taken_apart(
    url: str, scheme: Scheme | None, host: str, port: int, user: str | None
) -> None:
    if scheme is None:
        with pytest.raises(SourceError):
            parse(url)
        return
    found = parse(url)
    assert (found.text, found.scheme, found.host, found.port, found.user) == (
        url,
        scheme,
        host,
        port,
        user,
    )


@pytest.mark.parametrize(
    "url",
    [
        "",
        "--upload-pack=touch x",
        "--upl=x",
        "-u",
        "-c",
        "ext::sh -c x",
        "ext::x",
        "fd::3",
        "fd::3/x",
        "git://git.example.com/shop",
        "ftp://git.example.com/shop",
        "ssh://-oProxyCommand=x/y",
        "ssh://git@-oProxyCommand=x/y",
        "ssh://-x@host/y",
        "-oProxyCommand=x:y",
        "git@-oProxyCommand=x:y",
        "host:-x",
        "ssh://host/-x",
        "ssh://host",
        "https:///path",
        "https://host:99999/x",
        "https://host:x/y",
        "https://ho st/x",
        "https://host/x\ny",
        "https://host/x%0ay",
        "https://host/x%00y",
        "https://host/x\u202ey",
        "https://ex\u00e4mple.com/x",
        "https://host/x?y=z",
        "https://host/x#y",
        "http://git.example.com/shop",
        "file://host/path",
        "file://relative",
        "relative/path",
        "./path",
        "https://a@b@host/x",
        "x" * 3000,
        "https://host/" + "x" * 3000,
    ],
)
def test_everything_else_is_refused(url: str) -> None:
    with pytest.raises(SourceError, match="cannot use git address"):
        parse(url)


def test_a_password_is_refused_without_being_shown() -> None:
    with pytest.raises(SourceError) as refusal:
        parse("https://bot:canary@git.example.com/shop")
    assert "canary" not in f"{refusal.value.message}{refusal.value.hint}"
    assert "token:" in (refusal.value.hint or "")


@example("A://:\xa1")
@example("\xa1:0")
@given(st.text(max_size=60) | st.from_regex(r"(https?|ssh|file|ext)://[-a-z@:/%.\[\]0-9]{0,30}"))
def test_any_text_is_judged_without_any_other_error(url: str) -> None:
    try:
        found = parse(url)
    except SourceError as refusal:
        told = str(refusal)
        if not (told.isascii() and told.isprintable()):
            pytest.fail(told)
        return
    assert found.text == url
    assert not any(part.startswith("-") for part in (url, found.host, found.path))


@pytest.mark.parametrize("url", ["/srv/git/shop.git", "file:///srv/git/shop.git"])
def test_paths_of_this_machine_need_a_permission_where_they_may_be_refused(url: str) -> None:
    assert parse(url).scheme is Scheme.FILE
    with pytest.raises(SourceError, match="is a path of this machine") as refusal:
        parse(url, files=False)
    assert "--allow file-repos" in (refusal.value.hint or "")
    assert parse("https://git.example.com/x", files=False).host == "git.example.com"
