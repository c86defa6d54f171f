"""Calls made up from the OpenAPI document, against a proxy at work: no fault, and answers as the document says."""

import asyncio
import json
from itertools import cycle
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from dashboard.api.v1 import openapi
from proxy.simulator.profiles import CPUMINER
from tests.e2e.conftest import Measured, StartFleet, StartPool, StartProxy
from tests.e2e.pools import row
from tests.e2e.process import ProxyProcess, run_python
from tests.e2e.rows import SetUp
from tests.support.patience import PATIENCE_S

EXAMPLES = 3
"""Of each operation, right and wrong ones each."""
TOKENS = 8
"""Their budgets together are above what this test takes, so that no answer is "too many"."""
MAKE_TOKENS = f"""
from django.contrib.auth.models import Group, User
from dashboard.models import ApiToken
user = User.objects.create_user("api")
user.groups.add(Group.objects.get(name="administrator"))
for number in range({TOKENS}):
    print(ApiToken.make(user, str(number), role="administrator", days=7)[1])
"""
CHECKS = [
    not_a_server_error,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
]
ENDLESS = "/api/v1/stream"


def call_all(url: str, tokens: list[str]) -> int:
    """Call each operation with right and wrong data, and check each answer; return how many calls that were."""
    document, headers = json.loads(openapi()), cycle([{"Authorization": f"Bearer {token}"} for token in tokens])
    del document["paths"][ENDLESS]
    made = 0
    for found in schemathesis.openapi.from_dict(document).get_all_operations():
        operation = found.ok()
        for mode in GenerationMode:

            @settings(
                max_examples=EXAMPLES,
                phases=[Phase.explicit, Phase.generate],
                deadline=None,
                derandomize=True,
                database=None,
                suppress_health_check=list(HealthCheck),
            )
            @given(case=operation.as_strategy(generation_mode=mode))
            def call(case: schemathesis.Case) -> None:
                nonlocal made
                made += 1
                case.call_and_validate(base_url=url, headers=next(headers), checks=CHECKS, timeout=PATIENCE_S)

            call()
    return made


async def events_of(proxy: ProxyProcess, token: str, number: int) -> list[Any]:
    """The first events of the stream, as curl would see them."""
    async with asyncio.timeout(PATIENCE_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.web)
        ask = f"GET {ENDLESS}?events={number} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
        writer.write(f"{ask}Connection: close\r\n\r\n".encode())
        try:
            answer = await reader.read()
        finally:
            writer.close()
    return [json.loads(line[6:]) for line in answer.split(b"\n") if line.startswith(b"data: ")]


async def test_no_call_is_a_fault_and_each_answer_is_as_the_document_says(
    start_pool: StartPool, start_proxy: StartProxy, start_fleet: StartFleet, measured: Measured
) -> None:
    pool = await start_pool("A")
    proxy = await start_proxy(SetUp(pools=[row(pool)], weights={"A": 1}))
    fleet = await start_fleet(proxy.stratum, [CPUMINER])
    await fleet.mined(1)
    code, said = await run_python(proxy.environment, "manage.py", "shell", "-v", "0", "-c", MAKE_TOKENS)
    tokens = [line for line in said.split() if line.startswith("dpmp_")]
    assert (code, len(tokens)) == (0, TOKENS), said
    first, second = await events_of(proxy, tokens[0], 2)
    assert second["fleet"]["revision"] > first["fleet"]["revision"]
    made = await asyncio.to_thread(call_all, f"http://127.0.0.1:{proxy.web}", tokens)
    measured(f"{made} calls")
    assert not [token for token in tokens if token in proxy.text]
    assert not proxy.lines("session_error")
    assert fleet.wrongly_refused() == {}
    await fleet.mined(1)
