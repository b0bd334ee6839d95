"""One tree of settings, one order of precedence, one reader of the environment."""

from pathlib import Path

import pytest

from controller import settings
from controller.errors import UsageError
from controller.settings import Color, resolve


def test_nearer_sources_win() -> None:
    sources = {
        "flags": {"state": "/flag"},
        "variables": {"CTL_STATE": "/environment"},
        "project": {"state": "/project"},
        "user": {"state": "/user"},
    }
    for expected in ("/flag", "/environment", "/project", "/user", None):
        told = resolve(
            sources.get("variables", {}),
            flags=sources.get("flags"),
            project=sources.get("project"),
            user=sources.get("user"),
        )
        assert told.where.state == expected
        if sources:
            del sources[next(iter(sources))]


def test_a_flag_of_false_beats_an_environment_of_true() -> None:
    told = resolve({"CTL_DEBUG": "1", "CTL_HINTS": "1"}, flags={"debug": False, "hints": None})
    assert told.speech.debug is False
    assert told.speech.hints is True


def test_the_environment_is_read_whole() -> None:
    told = resolve(
        {
            "CTL_DIR": "/srv/config",
            "CTL_CONTROLLER": "https://example.com",
            "CTL_CONTEXT": "prod",
            "CTL_TOKEN": "canary",
            "CTL_TOKEN_FILE": "/run/token",
            "CTL_COLOR": "always",
            "CTL_NO_INPUT": "yes",
            "CTL_HINTS": "0",
            "CTL_DEBUG": "off",
            "HOME": "/home/ops",
            "SSH_AUTH_SOCK": "/run/agent",
            "XDG_CONFIG_HOME": "relative/is/ignored",
            "XDG_CACHE_HOME": "/cache",
        }
    )
    assert told.where.directory == Path("/srv/config")
    assert (told.where.controller, told.where.context) == ("https://example.com", "prod")
    assert (told.token.value, told.token.file) == ("canary", Path("/run/token"))
    assert told.speech.color is Color.ALWAYS
    assert (told.speech.no_input, told.speech.hints, told.speech.debug) == (True, False, False)
    assert told.person.settings_file == Path("/home/ops/.config/ctl/config.yaml")
    assert told.person.cache == Path("/cache")
    assert told.person.ssh_agent == Path("/run/agent")
    assert "canary" not in repr(told)


@pytest.mark.parametrize(
    ("variables", "color"),
    [
        ({}, Color.AUTO),
        ({"NO_COLOR": "1"}, Color.NEVER),
        ({"NO_COLOR": ""}, Color.AUTO),
        ({"TERM": "dumb"}, Color.NEVER),
        ({"NO_COLOR": "1", "CTL_COLOR": "always"}, Color.ALWAYS),
    ],
)
def test_a_wish_for_colours_beats_no_color(variables: dict[str, str], color: Color) -> None:
    assert resolve(variables).speech.color is color


@pytest.mark.parametrize(
    ("variables", "flags"),
    [
        ({"CTL_COLOR": "pink"}, {}),
        ({"CTL_DEBUG": "perhaps"}, {}),
        ({}, {"colour": "never"}),
    ],
)
def test_nothing_is_accepted_and_ignored(variables: dict[str, str], flags: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        resolve(variables, flags=flags)


def test_the_environment_of_the_process_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CTL_STATE", "/seen")
    assert resolve(settings.environment()).where.state == "/seen"


def test_the_actor_is_who_the_system_says(monkeypatch: pytest.MonkeyPatch) -> None:
    name, _, host = settings.actor({"USER": "forged"}).partition("@")
    assert name != "forged"
    assert host


def test_a_person_knows_controllers_by_name() -> None:
    told = resolve(
        {"HOME": "/home/ops"},
        user={
            "context": "prod",
            "contexts": {
                "prod": {"url": "https://ctl.example.com", "token_file": "~/.token"},
                "lab": {"url": "http://127.0.0.1:8420", "ca": "/etc/ca.pem"},
                "own": {"url": "https://x", "certificate": "~/ann.crt", "key": "/etc/ann.key"},
            },
        },
    )
    assert told.where.context == "prod"
    prod, lab = told.where.contexts["prod"], told.where.contexts["lab"]
    assert (prod.url, prod.token_file, prod.ca) == (
        "https://ctl.example.com",
        Path("/home/ops/.token"),
        None,
    )
    assert (lab.token_file, lab.ca) == (None, Path("/etc/ca.pem"))
    own = told.where.contexts["own"]
    assert (own.certificate, own.key) == (Path("/home/ops/ann.crt"), Path("/etc/ann.key"))


@pytest.mark.parametrize(
    "said",
    [
        [],
        {"prod": "https://x"},
        {"prod": {}},
        {"prod": {"url": 1}},
        {"a": {"url": "u", "token": "t"}},
        {"a": {"url": "https://u", "certificate": "c"}},
        {"a": {"url": "https://u", "key": "k"}},
    ],
)
def test_contexts_that_are_none_are_refused(said: object) -> None:
    with pytest.raises(UsageError, match="context"):
        resolve({}, user={"contexts": said})
