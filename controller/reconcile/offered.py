"""What servers offer by themselves as documents: their scripts, and the text of one; the same at the command line and over HTTP.

Pure. Called by the faces.
"""

from controller.errors import ControllerError
from controller.reconcile.exchange.answers import ServerOffers
from controller.transport.port import ScriptSource, ServerScript


def script_document(script: ServerScript) -> dict[str, object]:
    """Write one script as a document."""
    return {
        "name": script.name,
        "title": script.title or None,
        "result": script.result.type.value,
        "file": script.result.path,
        "sha256": script.sha256 or None,
        "size": script.size,
        "problem": script.problem or None,
    }


def source_document(found: ScriptSource) -> dict[str, object]:
    """Write a script with its headers and its text as a document."""
    return {
        **script_document(found.script),
        "headers": dict(found.headers),
        "text": found.text.decode("utf-8", "backslashreplace"),
    }


def offers_document(one: ServerOffers) -> dict[str, object]:
    """Write what one server offers, or why it could not be asked."""
    return {
        "server": one.server,
        "scripts": [script_document(each) for each in one.scripts],
        "trouble": None if one.trouble is None else trouble_document(one.trouble),
    }


def trouble_document(error: ControllerError) -> dict[str, object]:
    """Write why one server among several could not be asked."""
    return {"reference": error.reference, "message": error.message, "hint": error.hint}
