"""The way to a controller: the only place of `cli` that loads the composition root, and only when a verb needs it."""

import gc
from contextlib import AbstractAsyncContextManager

from controller.cli.context import OpenRequest
from controller.cli.port import Controller


def open_controller(request: OpenRequest) -> AbstractAsyncContextManager[Controller]:
    """Open a controller on this machine."""
    from controller.service import Options, open as open_service

    if not gc.isenabled():  # all is imported: collect from here on, and never look at that again
        gc.freeze()
        gc.enable()
    return open_service(
        Options(
            directory=request.directory,
            state=request.state,
            actor=request.actor,
            write=request.write,
            parallel=request.parallel,
            progress=request.listener,
        )
    )
