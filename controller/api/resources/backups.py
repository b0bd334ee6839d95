"""A backup of the state, handed out whole; and letting go of a state that was restored from one."""

import asyncio
import shutil
import tempfile
from pathlib import Path

from starlette.background import BackgroundTask
from starlette.responses import FileResponse, Response

from controller.api.bodies import NeededReasonBody
from controller.api.call import Asked


async def release(call: Asked, body: NeededReasonBody) -> Response:
    """Let a restored state start work again, at once; `released` says why it was held, null: it was not."""
    call.must_reach_all()
    held = await call.controller.release(reason=body.reason)
    if held is not None:
        call.serving.wake()
    return call.answer({"released": held})


async def backup(call: Asked) -> Response:
    """Make a backup of the state while the work goes on, and give it; `ctl restore` takes it."""
    call.must_reach_all()
    # Not in the state's folder, which it copies; only its owner reads it, and it is gone when it was sent.
    folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="ctl-backup-"))
    goal = folder / "backup.tar.gz"
    try:
        await call.controller.backup(goal)
    except BaseException:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        raise
    return FileResponse(
        goal,
        media_type="application/octet-stream",
        filename="ctl-backup.tar.gz",
        background=BackgroundTask(shutil.rmtree, folder, ignore_errors=True),
    )
