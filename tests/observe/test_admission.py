"""Pages ask from their threads, the loop does it; where no proxy runs they are told so."""

import asyncio

from proxy.observe.live.admission import Admission


async def test_what_a_page_asks_is_done_on_the_loop_while_a_proxy_runs() -> None:
    admission, done = Admission(), asyncio.Event()
    asked: list[str] = []

    def let_in(address: str) -> None:
        asked.append(address)
        done.set()

    assert not admission.ask("a")
    admission.connect(let_in)
    assert await asyncio.to_thread(admission.ask, "b")
    await asyncio.wait_for(done.wait(), 60)
    admission.disconnect()
    assert not admission.ask("c")
    assert asked == ["b"]
