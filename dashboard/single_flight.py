"""Does work once that many coroutines ask for at the same moment."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

T = TypeVar("T")

_locks: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()


def per_loop_lock() -> asyncio.Lock:
    """A lock that lets one viewer through per turn of the loop, so that what miners wait for runs in between.

    Fifty viewers that wake at the same tick would otherwise block the loop for as long as all of them take.
    """
    return _locks.setdefault(asyncio.get_running_loop(), asyncio.Lock())


class _Abandoned(Exception):
    """The one who did the work was cancelled; somebody else must do it."""


class SingleFlight(Generic[T]):
    """Answers by key, for one generation (a revision, a snapshot) at a time."""

    def __init__(self) -> None:
        self._generation: object = None
        self._answers: dict[Hashable, asyncio.Future[T]] = {}

    async def get(self, generation: object, key: Hashable, make: Callable[[], Awaitable[T]]) -> T:
        """The answer for ``key`` in ``generation``: the first caller runs ``make``, the others wait for it.

        Raises:
            whatever ``make`` raised, to all who waited; the next caller tries again.
        """
        while True:
            if self._generation != generation:
                self._generation, self._answers = generation, {}
            answer = self._answers.get(key)
            if answer is None or answer.get_loop() is not asyncio.get_running_loop():
                return await self._lead(key, make)
            try:
                return await asyncio.shield(answer)
            except _Abandoned:
                continue

    async def _lead(self, key: Hashable, make: Callable[[], Awaitable[T]]) -> T:
        answers, answer = self._answers, asyncio.get_running_loop().create_future()
        answers[key] = answer
        try:
            result = await make()
        except BaseException as error:
            answers.pop(key, None)
            answer.set_exception(error if isinstance(error, Exception) else _Abandoned())
            answer.exception()  # seen: perhaps nobody else waits
            raise
        answer.set_result(result)
        return result
