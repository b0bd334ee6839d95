"""Coroutines that wait for one thread are woken with their own answers, also in several loops, also where some have gone."""

import asyncio
import threading

import pytest

from controller.callers import Caller, wake
from controller.errors import StateError


async def test_each_caller_gets_its_own_answer() -> None:
    good, bad = Caller(), Caller()
    good.result, bad.error = 7, StateError("cannot write")
    threading.Thread(target=wake, args=([good, bad],)).start()
    assert await good.answer == 7
    with pytest.raises(StateError, match="cannot write"):
        await bad.answer


async def test_a_caller_that_has_gone_holds_up_nobody() -> None:
    gone, other = Caller(), Caller()
    gone.answer.cancel()
    other.result = "here"
    threading.Thread(target=wake, args=([gone, other],)).start()
    assert await other.answer == "here"
    assert gone.answer.cancelled()


async def test_callers_of_a_loop_that_is_closed_hold_up_nobody() -> None:
    def elsewhere() -> Caller:
        async def one() -> Caller:
            return Caller()

        return asyncio.run(one())

    ended = await asyncio.to_thread(elsewhere)
    other = Caller(result="here")
    threading.Thread(target=wake, args=([ended, other],)).start()
    assert await other.answer == "here"
