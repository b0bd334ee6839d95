"""From the address that git uses to the forge that answers there."""

import pytest
from hypothesis import given, strategies as st

from controller.notify.forges.addresses import address_of
from controller.notify.trouble import NotifyError


@pytest.mark.parametrize(
    ("url", "root", "below", "path"),
    [
        ("https://github.com/acme/shop.git", "https://github.com", "", "acme/shop"),
        ("https://bot@GitHub.com/acme/shop", "https://github.com", "", "acme/shop"),
        ("git@github.com:acme/shop.git", "https://github.com", "", "acme/shop"),
        ("ssh://git@ssh.github.com:443/acme/shop.git", "https://github.com", "", "acme/shop"),
        ("ssh://git@git.example.com:2222/a/b/c.git", "https://git.example.com", "/a", "a/b/c"),
        ("https://git.example.com:8443/a/b/", "https://git.example.com:8443", "", "a/b"),
        ("http://[::1]:3000/a/b", "http://[::1]:3000", "", "a/b"),
        ("git.example.com:a%20b/c", "https://git.example.com", "", "a b/c"),
    ],
)
def test_a_repo_is_asked_for_where_it_lies(url: str, root: str, below: str, path: str) -> None:
    address = address_of(url)
    assert (address.root, address.below, "/".join(address.parts)) == (root, root + below, path)


@pytest.mark.parametrize(
    "url",
    [
        "/srv/git/shop.git",
        "file:///srv/git/acme/shop.git",
        "https://git.example.com/shop.git",
        "https://git.example.com/a/../b",
        "https://git.example.com/a/%2e%2e",
        "https://git.example.com/a%2fb/c/%0d%0aHost:x",
        "https://git.example.com:x/a/b",
        "https://ho st/a/b",
        "https:///a/b",
        "ext::sh -c x/y",
        "",
    ],
)
def test_what_leads_to_no_forge_is_refused_for_good(url: str) -> None:
    with pytest.raises(NotifyError, match="leads to no forge") as refusal:
        address_of(url)
    assert refusal.value.permanent


def test_a_token_never_goes_in_clear() -> None:
    with pytest.raises(NotifyError, match="plain http") as refusal:
        address_of("http://git.example.com/acme/shop.git")
    assert refusal.value.permanent


@given(st.text())
def test_any_text_is_an_address_or_refused(url: str) -> None:
    try:
        address = address_of(url)
    except NotifyError:
        return
    assert address.root.startswith(("https://", "http://"))
    assert address.below.isascii()
