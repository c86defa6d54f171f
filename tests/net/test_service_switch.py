"""A service follows its settings: never two at once, and nothing of it left behind."""

import asyncio

from proxy.net.service_switch import ServiceSwitch
from tests.support.patience import PATIENCE_S


class Service:
    """Runs until it is cancelled or stopped, and says so."""

    def __init__(self, stage: "Stage", config: str) -> None:
        self.stage, self.config = stage, config
        self.stopping = asyncio.Event()

    async def run(self) -> None:
        self.stage.running += 1
        self.stage.most = max(self.stage.most, self.stage.running)
        self.stage.said.append(f"{self.config} runs")
        self.stage.changed.set()
        try:
            await self.stopping.wait()
            self.stage.said.append(f"{self.config} said goodbye")
        finally:
            await asyncio.sleep(0)  # an end takes a turn of the loop
            self.stage.running -= 1
            self.stage.said.append(f"{self.config} ended")
            self.stage.changed.set()


class Stage:
    def __init__(self) -> None:
        self.said: list[str] = []
        self.running = self.most = 0
        self.changed = asyncio.Event()
        self.failures: list[str] = []

    def switch(self, *, polite: bool = False) -> ServiceSwitch[str, Service]:
        return ServiceSwitch(
            "example",
            lambda config: Service(self, config),
            report=lambda name, error: self.failures.append(f"{name}: {error}"),
            stop=(lambda service: service.stopping.set()) if polite else None,
        )

    async def until(self, said: str) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while said not in self.said:
                self.changed.clear()
                await self.changed.wait()


async def test_it_is_off_at_first_and_nothing_is_made() -> None:
    stage = Stage()
    switch = stage.switch()
    switch.apply(None)
    await switch.close()
    assert switch.service is None
    assert stage.said == []


async def test_the_same_settings_again_change_nothing() -> None:
    stage = Stage()
    switch = stage.switch()
    switch.apply("a")
    await stage.until("a runs")
    switch.apply("a")
    await asyncio.sleep(0)
    assert switch.service is not None
    assert switch.service.config == "a"
    await switch.close()
    assert stage.said == ["a runs", "a ended"]
    assert switch.service is None


async def test_a_change_ends_the_one_before_the_other_begins() -> None:
    stage = Stage()
    switch = stage.switch()
    switch.apply("a")
    await stage.until("a runs")
    switch.apply("b")
    await stage.until("b runs")
    await switch.close()
    assert stage.said == ["a runs", "a ended", "b runs", "b ended"]
    assert (stage.most, stage.failures) == (1, [])


async def test_of_changes_in_a_row_only_the_last_one_runs() -> None:
    stage = Stage()
    switch = stage.switch()
    for config in ("a", "b", None, "c"):
        switch.apply(config)
    await stage.until("c runs")
    await switch.close()
    assert stage.said == ["c runs", "c ended"]
    assert stage.most == 1


async def test_a_service_that_can_say_goodbye_is_asked_to() -> None:
    stage = Stage()
    switch = stage.switch(polite=True)
    switch.apply("a")
    await stage.until("a runs")
    switch.apply("b")
    await stage.until("b runs")
    await switch.close()
    assert stage.said == ["a runs", "a said goodbye", "a ended", "b runs", "b said goodbye", "b ended"]


async def test_a_service_that_fails_is_reported_and_can_be_started_again() -> None:
    stage = Stage()

    class Failing(Service):
        async def run(self) -> None:
            if self.config == "bad":
                raise ValueError("broken")
            await super().run()

    switch = ServiceSwitch(
        "example",
        lambda config: Failing(stage, config),
        report=lambda name, error: stage.failures.append(f"{name}: {error}"),
    )
    switch.apply("bad")
    async with asyncio.timeout(PATIENCE_S):
        while not stage.failures:
            await asyncio.sleep(0)
    assert stage.failures == ["example: broken"]
    switch.apply("good")
    await stage.until("good runs")
    await switch.close()
