"""What a declaration may touch of the controller's own machine under `serve`, and how that is said."""

import pytest

from controller.errors import UsageError
from controller.model.declaration import Declaration, Repo, Secret, SecretKind
from controller.model.diagnostic import Place
from controller.model.inventory import Carrier, Inventory, Server
from controller.model.notifier import Notifier, NotifierKind
from controller.secrets.allowed import DEFAULT, EVERYTHING, Allowed, parse_allow, refusals

SERVE = parse_allow(DEFAULT)


def secret(kind: SecretKind, source: str) -> Secret:
    return Secret(name="it", kind=kind, source=source, place=Place(file="a.yaml", line=3))


@pytest.mark.parametrize(
    ("kind", "source"),
    [
        (SecretKind.ENV, "DB_PASSWORD"),
        (SecretKind.CREDENTIAL, "shop-db"),
        (SecretKind.FILE, "/etc/ctl/secrets/shop/db"),
        (SecretKind.AGE, "secrets/hook.age"),
        (SecretKind.SOPS, "secrets/prod.yaml"),
    ],
)
def test_serve_reads_these_unasked(kind: SecretKind, source: str) -> None:
    assert SERVE.refusal(secret(kind, source)) is None


@pytest.mark.parametrize(
    ("kind", "source", "hint"),
    [
        (SecretKind.FILE, "/etc/shadow", "--allow env,credential,file"),
        (SecretKind.FILE, "~/.ssh/id_ed25519", "--allow env,credential,file"),
        (SecretKind.FILE, "/etc/ctl/secrets/../age.txt", "--allow env,credential,file"),
        (SecretKind.FILE, "/etc/ctl/secretsbeside", "--allow env,credential,file"),
        (SecretKind.FILE, "/etc/ctl/secrets", "--allow env,credential,file"),
        (SecretKind.EXEC, "id", "--allow env,credential,file:/etc/ctl/secrets,exec"),
        (SecretKind.KV, "kv/data/x", "--allow env,credential,file:/etc/ctl/secrets,vault"),
    ],
)
def test_serve_refuses_what_reaches_further_and_names_the_flag(
    kind: SecretKind, source: str, hint: str
) -> None:
    declaration = Declaration(secrets={"it": secret(kind, source)})
    (finding,) = refusals(declaration, SERVE)
    assert finding.code == "not-allowed-here"
    assert str(finding.place) == "a.yaml:3:1"
    assert finding.hint == f"ctl serve {hint}"
    words = hint.removeprefix("--allow ")
    assert refusals(declaration, parse_allow(words)) == ()
    assert refusals(declaration, EVERYTHING) == ()


@pytest.mark.parametrize(
    "name", ["CTL_TOKEN", "PATH", "LD_PRELOAD", "PYTHONPATH", "ctl_token", "HOME", "BASH_ENV"]
)
def test_no_flag_and_no_hand_gives_variables_that_steer_programs(name: str) -> None:
    for allowed in (EVERYTHING, SERVE, parse_allow("env")):
        refusal = allowed.refusal(secret(SecretKind.ENV, name))
        assert refusal is not None
        assert refusal.word is None


@pytest.mark.parametrize(
    "name", ["VAULT_TOKEN", "PGPASSWORD", "SOPS_AGE_KEY", "DATABASE_URL", "HTTPS_PROXY"]
)
def test_serve_keeps_its_own_logins_that_a_person_may_use(name: str) -> None:
    assert SERVE.refusal(secret(SecretKind.ENV, name)) is not None
    assert EVERYTHING.refusal(secret(SecretKind.ENV, name)) is None


@pytest.mark.parametrize("name", ["age-key", "vault-token", "ctl", "ctl-token", "ctl.db"])
def test_credentials_of_the_controller_are_no_secrets_to_hand_out(name: str) -> None:
    assert EVERYTHING.refusal(secret(SecretKind.CREDENTIAL, name)) is not None


def test_this_machine_and_its_paths_need_a_flag() -> None:
    here = Place(file="b.yaml", line=7)
    server = Server(name="me", address="me", carrier=Carrier.LOCAL, place=here)
    repos = {
        name: Repo(name=name, url=url, place=Place(file="a.yaml", line=line))
        for line, (name, url) in enumerate(
            [("path", "/srv/x"), ("url", "FILE:///srv/x"), ("far", "https://example.com/x")], 1
        )
    }
    declaration = Declaration(repos=repos, inventory=Inventory(servers={"me": server}))
    found = refusals(declaration, SERVE)
    assert [str(one.place) for one in found] == ["a.yaml:1:1", "a.yaml:2:1", "b.yaml:7:1"]
    assert [(one.hint or "").rpartition(",")[2] for one in found] == [
        "file-repos",
        "file-repos",
        "local",
    ]
    assert refusals(declaration, parse_allow("local,file-repos")) == ()


def test_a_program_that_a_notifier_runs_needs_a_flag() -> None:
    place = Place(file="a.yaml", line=7)
    program = Notifier(name="pager", kind=NotifierKind.EXEC, exec=("id",), place=place)
    hook = Notifier(name="ops", kind=NotifierKind.URL, url="ops-url", place=place)
    (finding,) = refusals(Declaration(notifiers={"pager": program, "ops": hook}), SERVE)
    assert (finding.message, finding.place) == (
        "cannot tell by the notifier pager: it runs a program here",
        place,
    )
    assert finding.hint == "ctl serve --allow env,credential,file:/etc/ctl/secrets,exec"
    assert refusals(Declaration(notifiers={"pager": program}), parse_allow("exec")) == ()


def test_a_list_is_said_back_as_it_was_typed() -> None:
    for text in (DEFAULT, "env,file,exec,vault,credential,local,file-repos", "file:/a,file:/b"):
        assert sorted(parse_allow(text).words) == sorted(text.split(","))
    assert parse_allow(" ") == Allowed()
    assert parse_allow("").refusal(secret(SecretKind.ENV, "X")) is not None


@pytest.mark.parametrize("text", ["all", "file:relative", "file:/a/../b", "sops"])
def test_unknown_words_are_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_allow(text)
