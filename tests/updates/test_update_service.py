"""The feed of releases is asked where it is set, once a day at most, and what it says harms nothing."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from proxy.net.tasks import spawn
from proxy.observe.events import EventStream, UpdateAvailable, UpdateCheckFailed
from proxy.updates.releases import Release
from proxy.updates.service import DAY_S, UpdateService
from tests.balance.http_cast import Answer, raw, reply, serve
from tests.support.clock import VirtualClock
from tests.support.patience import PATIENCE_S

NEWER = {"version": "4.1.0", "url": "https://x.example/new"}


class Scene:
    def __init__(self, folder: Path) -> None:
        self.clock, self.events, self.told = VirtualClock(), EventStream(), asyncio.Queue[Any]()
        self.memory = folder / "update.json"
        for kind in (UpdateAvailable, UpdateCheckFailed):
            self.events.subscribe(kind, self.told.put_nowait)

    def service(self) -> UpdateService:
        return UpdateService(
            clock=self.clock,
            events=self.events,
            memory=self.memory,
            version="4.0.0",
            first_s=0.01,
            jitter=lambda: 0.0,
        )

    async def next(self) -> Any:
        return await asyncio.wait_for(self.told.get(), PATIENCE_S)


async def test_nobody_is_asked_unless_a_feed_is_set(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    async with serve(reply(NEWER)) as server:
        service = scene.service()
        running = spawn(service.run(), name="updates")
        service.apply("")
        await asyncio.sleep(0.1)
        assert server.requests == [] and not scene.memory.exists()
        running.cancel()


async def test_a_newer_version_is_told_once_and_remembered_over_a_restart(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    async with serve(reply(NEWER)) as server:
        for _start in range(2):
            service = scene.service()
            service.apply(server.url)
            running = spawn(service.run(), name="updates")
            if not _start:
                assert await scene.next() == UpdateAvailable(version="4.1.0", url="https://x.example/new")
                async with asyncio.timeout(PATIENCE_S):
                    while not scene.memory.exists():
                        await asyncio.sleep(0.01)
            async with asyncio.timeout(PATIENCE_S):
                while service.newer is None:
                    await asyncio.sleep(0.01)
            assert service.newer == Release("4.1.0", "https://x.example/new")
            running.cancel()
        assert len(server.requests) == 1
        service.apply("")
        assert service.newer is None


async def test_it_is_asked_again_after_a_day(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.memory.write_text(json.dumps({"feed": "", "asked_at": 0, "release": None}))
    async with serve(reply(NEWER)) as server:
        kept = {"feed": server.url, "asked_at": scene.clock.wall() - DAY_S, "release": None}
        scene.memory.write_text(json.dumps(kept))
        service = scene.service()
        service.apply(server.url)
        running = spawn(service.run(), name="updates")
        assert isinstance(await scene.next(), UpdateAvailable)
        running.cancel()


@pytest.mark.parametrize(
    "answer, said",
    [
        (reply([]), "no object"),
        (reply(b"<html>"), "no JSON"),
        (reply({"version": "x"}), "no version"),
        (reply(NEWER, 302, "Location: http://127.0.0.1:1/\r\n"), "redirects"),
        (reply(NEWER, 500), "HTTP 500"),
        (reply(b'{"version": "' + b"9" * 300_000 + b'"}'), "larger than"),
        (reply(NEWER, 200, "Content-Encoding: gzip\r\n"), "compressed"),
        (raw(b"nonsense\r\n\r\n"), "No connection"),
    ],
)
async def test_an_answer_that_is_none_is_told_and_changes_nothing(tmp_path: Path, answer: Answer, said: str) -> None:
    scene = Scene(tmp_path)
    async with serve(answer) as server:
        service = scene.service()
        service.apply(server.url)
        running = spawn(service.run(), name="updates")
        failed = await scene.next()
        assert isinstance(failed, UpdateCheckFailed) and said in failed.problem
        assert service.newer is None
        running.cancel()


@pytest.mark.no_cover
@pytest.mark.parametrize("kept", ["", "[]", "{}", '{"feed": "F", "asked_at": "x"}', '{"feed": "F", "asked_at": 1e400}'])
async def test_a_memory_that_is_broken_is_as_if_there_were_none(tmp_path: Path, kept: str) -> None:
    scene = Scene(tmp_path)
    async with serve(reply({"version": "4.0.0"})) as server:
        scene.memory.write_text(kept.replace("F", server.url))
        service = scene.service()
        service.apply(server.url)
        running = spawn(service.run(), name="updates")
        async with asyncio.timeout(PATIENCE_S):
            while not server.requests and "1e400" not in kept:
                await asyncio.sleep(0.01)
        assert service.newer is None
        running.cancel()


async def test_a_memory_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "nowhere")
    async with serve(reply({"version": "4.0.0"})) as server:
        service = scene.service()
        service.apply(server.url)
        running = spawn(service.run(), name="updates")
        assert "cannot be written" in (await scene.next()).problem
        running.cancel()
