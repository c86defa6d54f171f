"""``python -m tests.abuse --proxy PORT`` attacks a proxy that runs already, and says what came of it."""

from tests.abuse.subject import Workshop
from tests.e2e.process import clean_environment, run_python


async def test_a_proxy_that_runs_already_is_attacked_and_a_row_is_printed(shop: Workshop) -> None:
    async with shop.proxy() as proxy:
        assert proxy.data is not None
        ports = {"proxy": proxy.target.stratum, "web": proxy.target.web, "metrics": proxy.target.metrics}
        options = [text for name, port in ports.items() for text in (f"--{name}", str(port))]
        code, said = await run_python(
            clean_environment(proxy.data),
            "-m",
            "tests.abuse",
            *options,
            "--pid",
            str(proxy.pid),
            "--seconds",
            "1",
            "blank-lines",
        )
        *_, row = said.strip().splitlines()
        assert row.startswith("| blank-lines | 7809 | below 50 | p99 "), said
        assert "'lines':" in row and " 0 unanswered" in row, said
        assert (code, row.endswith("| ok |")) in ((0, True), (1, False)), "its code says the same as its row"
        assert len(proxy.lines("miner_connected")) >= 6, "five honest miners and the attacker"
