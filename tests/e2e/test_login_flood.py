"""Two hundred wrong logins at once, by somebody without an account: miners and pages do not notice."""

import asyncio
import re
import time
from collections import Counter

from proxy.simulator.profiles import CPUMINER
from tests.e2e.conftest import Measured, StartFleet, StartPool, StartProxy
from tests.e2e.pools import row
from tests.e2e.process import ProxyProcess
from tests.e2e.rows import SetUp
from tests.support.patience import PATIENCE_S, ProcessorWait

LOGINS = 200
LAG_S = 0.25
"""Above what the loop may lag in the flood; the machine may be busy with other things."""


async def _ask(port: int, request: str) -> bytes:
    async with asyncio.timeout(PATIENCE_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(request.encode())
            return await reader.read()
        finally:
            writer.close()


async def _wrong_login(port: int, token: str, number: int) -> int:
    body = f"csrfmiddlewaretoken={token}&username=admin{number % 7}&password=guess{number}"
    answer = await _ask(
        port,
        "POST /login/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        f"Cookie: dpmp_csrf={token}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}",
    )
    return int(answer.split()[1])


async def _token(port: int) -> str:
    page = (await _ask(port, "GET /login/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")).decode()
    found = re.search(r"dpmp_csrf=(\w+)", page)
    assert found, page
    return found.group(1)


async def _lags_over(proxy: ProxyProcess, seconds: float) -> float:
    metrics = await proxy.metrics()
    return metrics.total("dpmp_loop_lag_seconds_count") - metrics.total("dpmp_loop_lag_seconds_bucket", le=str(seconds))


async def test_flood_of_wrong_logins_is_refused_at_once_and_stalls_neither_miners_nor_pages(
    start_pool: StartPool, start_proxy: StartProxy, start_fleet: StartFleet, measured: Measured
) -> None:
    pool = await start_pool("A")
    proxy = await start_proxy(SetUp(pools=[row(pool)], weights={"A": 1}))
    fleet = await start_fleet(proxy.stratum, [CPUMINER])
    await fleet.mined(1)
    token = await _token(proxy.web)
    late, waited, began = await _lags_over(proxy, LAG_S), ProcessorWait(proxy.pid), time.monotonic()
    answers = Counter(await asyncio.gather(*(_wrong_login(proxy.web, token, number) for number in range(LOGINS))))
    flood_s, waited_s, began = time.monotonic() - began, waited.look(), time.monotonic()
    status, _ = await proxy.get("/readyz")
    page_s = time.monotonic() - began
    late = await _lags_over(proxy, LAG_S) - late
    measured(
        f"{dict(answers)} in {flood_s:.2f} s ({waited_s:.2f} s waited for a processor), then a page in "
        f"{page_s:.3f} s; loop later than {LAG_S} s: {late:.0f} times"
    )
    assert set(answers) == {200, 429}
    assert answers[429] >= LOGINS - 20
    assert status == 200
    assert page_s - waited_s < 1.0
    assert late <= waited_s / LAG_S
    await fleet.mined(1)
    assert fleet.wrongly_refused() == {}
