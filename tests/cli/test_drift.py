"""`ctl drift` for people: every clue with how sure it is, what cannot be asked, and a patch that harms no terminal."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta

from controller.model.evidence import Clue, Confidence
from controller.model.standing import Ignore
from controller.reconcile.exchange.drifts import (
    Adoption,
    DriftedPair,
    DriftedPart,
    DriftReport,
    Ignored,
    NotAdopted,
)
from tests.cli.stage import NOW, Stage

EVIL = "x\x1b[2J\u202e\nroot: all good"
PATCH = "--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n+\x1b[2Jb\n"
KEPT = Ignore(
    target="shop",
    server="web-2",
    reason=EVIL,
    by="ops@laptop",
    at=NOW,
    until=NOW + timedelta(days=2),
)
REPORT = DriftReport(
    pairs=(
        DriftedPair(
            target="shop",
            server="web-1",
            parts=(
                DriftedPart(path=None, what="check exited 1", diff=EVIL),
                DriftedPart(
                    path="/etc/shop.conf",
                    what="content differs",
                    diff="--- there\n+++ wanted\n-8080\n+80",
                    clues=(Clue(confidence=Confidence.LIKELY, said=f"oncall ran {EVIL}"),),
                ),
            ),
            clues=(Clue(confidence=Confidence.CERTAIN, said="run abc by ops@laptop"),),
            lacks=("last: it is not there",),
        ),
    ),
    ignored=(KEPT,),
    unseen=(("web-9", EVIL),),
)


NOTHING = Adoption()


@dataclass
class Office:
    report: DriftReport = REPORT
    adoption: Adoption = NOTHING
    state: str = "/srv/state"

    async def drift(self, target: str | None, *, limit: str | None = None) -> DriftReport:
        assert (target, limit) == ("shop", "web")
        return self.report

    async def adopt_drift(self, target: str, server: str, *, path: str | None = None) -> Adoption:
        assert (target, server, path) == ("shop", "web-1", "/etc/shop.conf")
        return self.adoption

    async def ignore_drift(
        self, target: str, server: str, *, path: str | None, reason: str, until: datetime
    ) -> Ignored:
        assert (target, server, path, until) == ("shop", "web-2", None, KEPT.until)
        return Ignored(ignore=KEPT, replaced=KEPT if reason == "again" else None)


def test_every_clue_is_shown_with_how_sure_it_is() -> None:
    stage = Stage(controller=Office())
    seen = stage("drift", "show", "shop", "-l", "web")
    assert "≠ shop on web-1\n    certain: run abc by ops@laptop\n" in seen.out
    assert "  ≠ /etc/shop.conf: content differs" in seen.out
    assert "    likely: oncall ran x" in seen.out
    assert "not asked: last: it is not there" in seen.out
    assert "shop on web-2 until 2026-03-03" in seen.out
    assert "? web-9: x" in seen.out
    assert "next: ctl drift adopt shop web-1 --out drift.patch" in seen.err
    assert not any(request.write for request in stage.opened)


def test_text_of_servers_never_reaches_the_terminal_raw() -> None:
    words = ("drift", "show", "shop", "-l", "web", "--color", "never")
    out = Stage(controller=Office(), tty=True)(*words).out
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert not any(row.startswith("root: all good") for row in out.splitlines())


def test_programs_get_everything() -> None:
    seen = Stage(controller=Office())("drift", "show", "shop", "-l", "web", "-o", "json")
    document = json.loads(seen.out)
    assert document["format_version"] == "1.0"
    (pair,) = document["pairs"]
    assert pair["clues"] == [{"confidence": "certain", "said": "run abc by ops@laptop"}]
    assert document["unseen"] == [{"server": "web-9", "message": EVIL}]
    assert document["ignored"][0]["until"].startswith("2026-03-03")


def adopted(*, tty: bool) -> Stage:
    done = Adoption(
        patch=PATCH,
        adopted=("/etc/shop.conf",),
        refused=(NotAdopted(path="/x", message=f"cannot adopt /x: {EVIL}", hint="by hand"),),
        others=3,
    )
    return Stage(controller=Office(adoption=done), tty=tty)


WORDS = ("drift", "adopt", "shop", "web-1", "--path", "/etc/shop.conf", "--color", "never")


def test_a_program_gets_the_patch_byte_for_byte() -> None:
    seen = adopted(tty=False)(*WORDS)
    assert seen.out == PATCH
    assert seen.code == 4
    assert "changes the work of 3 other pairs, too" in seen.err
    assert "(by hand)" in seen.err


def test_a_terminal_gets_a_patch_that_harms_nothing() -> None:
    seen = adopted(tty=True)(*WORDS)
    assert "\x1b[2J" not in seen.out
    assert "+++ b/f" in seen.out


def test_nothing_to_adopt_is_done() -> None:
    seen = Stage(controller=Office())(*WORDS)
    assert (seen.code, seen.out) == (0, "")
    assert "there is no drift of a file to adopt" in seen.err


def test_ignoring_says_until_when_and_what_it_replaces() -> None:
    stage = Stage(controller=Office())
    words = ("drift", "ignore", "shop", "web-2", "--until", "2d", "--reason")
    assert "is ignored until 2026-03-03" in stage(*words, "trial").out
    assert "replaces what ops@laptop said" in stage(*words, "again").out
    assert all(request.write for request in stage.opened)
