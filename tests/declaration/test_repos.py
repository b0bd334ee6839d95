import pytest

from controller.declaration.repos import wrong_url


@pytest.mark.parametrize(
    "url",
    [
        "https://git.example.com/acme/shop.git",
        "https://git.example.com:8443/acme/shop",
        "http://127.0.0.1:3000/a/b.git",
        "ssh://git@git.example.com:2222/acme/shop.git",
        "git@git.example.com:acme/shop.git",
        "file:///srv/git/shop.git",
        "/srv/git/shop.git",
        "https://git@[::1]:8443/x",
    ],
)
def test_ordinary_urls_are_accepted(url: str) -> None:
    assert wrong_url(url) is None


@pytest.mark.parametrize(
    "url",
    [
        "ext::sh -c id",
        "fd::17",
        "foo::https://x/y",
        "--upload-pack=id",
        "ssh://-oProxyCommand=id/x",
        "-oProxyCommand=id:x",
        "git@-host:x",
        "https://user:secret@git.example.com/x",
        "https://git.example.com/x\n",
        "https://git.example.com/%0aevil",
        "https://git.example.com/x?y",
        "https://git.example.com:99999/x",
        "https:///x",
        "file://host/x",
        "relative/path",
        "git@git.example.com:-x",
        "",
    ],
)
def test_what_could_be_read_as_something_else_is_refused(url: str) -> None:
    assert wrong_url(url) is not None
