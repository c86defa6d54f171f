"""The connection test against pools that speak Stratum, well or badly."""

import pytest

from proxy.config.snapshot import Endpoint
from proxy.errors import ConfigError
from proxy.ops.check_pool import CheckReport, check
from proxy.simulator.chain import BCH_DEMO_SCRIPT, BTC_DEMO_SCRIPT, SimChain
from proxy.simulator.dialect import CKPOOL, MININGCORE, NO_ROLLING, PUBLIC_POOL, YIIMP, Dialect
from proxy.simulator.pool import SimPool
from proxy.stratum import upstream
from proxy.types import HASHES_PER_DIFFICULTY as REAL
from proxy.types import Chain
from tests.ops.checkpool_cast import (
    HASHES_PER_DIFFICULTY,
    OTHER_WALLET,
    WALLET,
    pool_config,
    said,
    sim_pool,
    verdicts,
)
from tests.support.patience import PATIENCE_S


async def checked(pool: SimPool, *, timeout_s: float = PATIENCE_S, **fields) -> CheckReport:
    return await check(
        pool_config(pool.port, **fields), timeout_s=timeout_s, hashes_per_difficulty=HASHES_PER_DIFFICULTY
    )


async def test_a_good_pool_is_described_step_by_step() -> None:
    async with sim_pool(difficulty=1024.0) as pool:
        report = await checked(pool, solo=True)
        lines = said(report)
        assert report.ok and report.problem == ""
        assert lines["Address"] == f"127.0.0.1:{pool.port}, without TLS"
        assert lines["Reachable"].startswith(f"127.0.0.1:{pool.port} answered in ")
        assert lines["Subscribe"] == "accepted"
        assert lines["Authorise"] == f"accepted as {WALLET}.dpmp"
        assert lines["Extranonce"].startswith("extranonce1 4 bytes (") and lines["Extranonce"].endswith("2 8 bytes")
        assert lines["Difficulty"] == "1,024"
        assert lines["Version mask"] == "1fffe000"
        assert lines["First job"].startswith("after 0.")
        assert lines["Block"].startswith("height 840,001, network difficulty 1,0")
        assert lines["Pays"] == f"{WALLET} 3.12500000 (your wallet)"
        assert lines["Your wallet"] == "gets 100.0 % of this block"


async def test_nothing_is_submitted_and_the_connection_is_closed() -> None:
    async with sim_pool() as pool:
        await checked(pool)
        await pool.until(lambda pool: not pool.sessions)
        assert pool.connections == 1 and pool.received["mining.submit"] == 0
        assert pool.drops == []


@pytest.mark.parametrize("dialect", [CKPOOL, PUBLIC_POOL, MININGCORE, YIIMP], ids=lambda dialect: dialect.name)
async def test_every_pool_software_passes(dialect: Dialect) -> None:
    async with sim_pool(dialect=dialect) as pool:
        report = await checked(pool)
        assert report.ok, report.problem
        assert pool.drops == []


async def test_a_job_before_the_authorisation_is_no_fault() -> None:
    async with sim_pool(dialect=MININGCORE, authorize_delay_s=0.05) as pool:
        report = await checked(pool)
        assert report.ok and verdicts(report)["First job"] is True


async def test_a_pool_without_version_rolling_is_told_so() -> None:
    async with sim_pool(dialect=YIIMP) as pool:
        report = await checked(pool)
        assert said(report)["Version mask"].startswith("none: ")


async def test_a_refused_user_is_told_with_the_pools_reason() -> None:
    async with sim_pool() as pool:
        pool.refuse_authorize()
        report = await checked(pool)
        assert not report.ok
        assert report.problem.startswith(f"Authorise: refused as {WALLET}.dpmp: Unauthorized. Check the wallet")
        assert said(report)["First job"] == "none, as the user was refused"
        assert verdicts(report)["Subscribe"] is True


async def test_a_refused_user_still_learns_of_the_job_that_came_before() -> None:
    async with sim_pool(dialect=MININGCORE) as pool:
        pool.refuse_authorize()
        report = await checked(pool)
        assert not report.ok
        assert said(report)["First job"] == "came before the refusal"
        assert said(report)["Block"].startswith("height 840,001")


async def test_a_silent_pool_is_given_up_in_time() -> None:
    async with sim_pool() as pool:
        pool.go_silent()
        report = await checked(pool, timeout_s=1)
        assert report.problem == "Subscribe: No answer within 1 s. Is this a Stratum port?"


async def test_a_pool_that_never_answers_authorize_is_given_up_in_time() -> None:
    async with sim_pool(authorize_delay_s=3600) as pool:
        report = await checked(pool, timeout_s=1)
        assert report.problem == "Authorise: No: no answer within 1 s."
        assert verdicts(report)["First job"] is False


async def test_a_pool_that_accepts_and_closes_is_reported() -> None:
    async with sim_pool() as pool:
        pool.accept_and_close()
        report = await checked(pool)
        assert report.problem.startswith("Subscribe: No: ")
        assert verdicts(report)["Reachable"] is True


async def test_a_shared_pool_may_pay_another_address() -> None:
    async with sim_pool() as pool:
        report = await checked(pool, wallet=OTHER_WALLET)
        assert report.ok
        assert said(report)["Pays"] == f"{WALLET} 3.12500000"
        assert said(report)["Your wallet"] == (
            "The pool pays another address: normal for a shared pool, wrong for a solo pool."
        )


async def test_a_solo_pool_that_pays_another_address_is_wrong() -> None:
    async with sim_pool() as pool:
        report = await checked(pool, wallet=OTHER_WALLET, solo=True)
        assert report.problem.startswith("Your wallet: gets 0.0 % of this block, and a solo pool must pay it at least")


async def test_a_solo_pools_fee_is_told() -> None:
    outputs = ((BCH_DEMO_SCRIPT, 6_250_000), (BTC_DEMO_SCRIPT, 306_250_000), (b"\x6a\x01\x00", 0))
    async with sim_pool(chain=SimChain(hashes_per_difficulty=REAL, outputs=outputs)) as pool:
        report = await check(pool_config(pool.port, solo=True), timeout_s=PATIENCE_S)
        assert report.ok
        assert said(report)["Pays"] == (
            f"{WALLET} 3.06250000 (your wallet); 1BpEi6DfDAUFd7GtittLSdBeYJvcoaVggu 0.06250000"
        )
        assert said(report)["Your wallet"] == "gets 98.0 % of this block"


async def test_of_hundreds_of_receivers_the_largest_are_told() -> None:
    outputs = tuple((b"\x00\x14" + number.to_bytes(20, "big"), 1000 + number) for number in range(1, 201))
    async with sim_pool(chain=SimChain(outputs=outputs)) as pool:
        text = said(await checked(pool))["Pays"]
        assert "0.00001200" in text and text.endswith("and 195 more")


async def test_an_account_name_is_not_looked_for_in_the_coinbase() -> None:
    async with sim_pool() as pool:
        report = await checked(pool, wallet="alice")
        assert report.ok and said(report)["Your wallet"].startswith("An account name")


async def test_bch_addresses_are_written_as_bch_does() -> None:
    chain = SimChain(outputs=((BCH_DEMO_SCRIPT, 312_500_000),), name="BCH")
    async with sim_pool(chain=chain) as pool:
        wallet = "qpm2qsznhks23z7629mms6s4cwef74vcwvy22gdx6a"
        report = await checked(pool, wallet=wallet, chain=Chain.BCH, solo=True)
        assert report.ok
        assert said(report)["Pays"] == f"bitcoincash:{wallet} 3.12500000 (your wallet)"


async def test_each_address_of_a_pool_is_tried_in_order() -> None:
    async with sim_pool() as first, sim_pool(difficulty=7.0) as second:
        report = await check(pool_config(first.port, second.port), timeout_s=PATIENCE_S)
        addresses = [text for label, text, _ in report.lines if label == "Address"]
        assert addresses == [f"127.0.0.1:{first.port}, without TLS", f"127.0.0.1:{second.port}, without TLS"]
        assert [text for label, text, _ in report.lines if label == "Difficulty"] == ["1", "7"]


async def test_a_bad_second_address_is_a_problem() -> None:
    async with sim_pool() as first, sim_pool() as second:
        await second.refuse_connections()
        report = await check(pool_config(first.port, second.port), timeout_s=PATIENCE_S)
        assert not report.ok
        assert [ok for label, _, ok in report.lines if label == "Reachable"] == [True, False]


async def test_a_small_extranonce_is_remarked() -> None:
    async with sim_pool(extranonce2_size=2) as pool:
        assert said(await checked(pool))["Extranonce"].endswith(
            "2 bytes. That is less than 4: some miners cannot work here."
        )


async def test_without_wallets_no_form_of_the_wallet_is_written() -> None:
    async with sim_pool() as pool:
        pool.refuse_authorize("x")
        report = await check(pool_config(pool.port), timeout_s=PATIENCE_S, show_wallets=False)
        assert WALLET not in str(report.lines)
        assert said(report)["Authorise"] == "accepted as [wallet].dpmp"
        assert said(report)["Pays"] == "[wallet] 3.12500000 (your wallet)"


async def test_a_made_up_user_is_refused_without_blame() -> None:
    async with sim_pool() as pool:
        pool.refuse_authorize()
        report = await check(f"127.0.0.1:{pool.port}", timeout_s=PATIENCE_S)
        assert report.ok and verdicts(report)["Authorise"] is None
        assert "user dpmp, which this check made up (Unauthorized)" in said(report)["Authorise"]


async def test_a_typed_address_is_tested_without_a_wallet() -> None:
    async with sim_pool() as pool:
        report = await check(Endpoint(host="127.0.0.1", port=pool.port), timeout_s=PATIENCE_S)
        assert report.ok and said(report)["Authorise"] == "accepted as dpmp"
        assert said(report)["Pays"] == f"{WALLET} 3.12500000; written as BTC addresses, because the chain is not known"
        assert "Your wallet" not in said(report)


async def test_a_typed_address_with_a_user_finds_the_wallet() -> None:
    async with sim_pool() as pool:
        report = await check(f"stratum+tcp://127.0.0.1:{pool.port}", user=f"{WALLET}.rig", timeout_s=PATIENCE_S)
        assert said(report)["Authorise"] == f"accepted as {WALLET}.rig"
        assert said(report)["Your wallet"] == "gets 100.0 % of this block"


async def test_a_refused_typed_user_is_a_problem() -> None:
    async with sim_pool() as pool:
        pool.refuse_authorize()
        assert not (await check(f"127.0.0.1:{pool.port}", user="alice.rig", timeout_s=PATIENCE_S)).ok


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        ("pool.example:", "neither a host name nor an IP address"),
        ("127.0.0.1:99999", "A port is a number from 1 to 65535."),
        ("http://pool.example:80", "http:// is not needed here"),
        ("stratum2+tcp://pool.example:80", "is no Stratum v1 address"),
        ("a b:3333", "neither a host name nor an IP address"),
        (":3333", "Give a host name or an IP address."),
        ("x" * 5000 + ":1", "neither a host name nor an IP address"),
    ],
)
async def test_an_address_that_is_none_is_refused_before_anything_is_dialled(target: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        await check(target)


async def test_a_user_name_with_line_breaks_is_refused() -> None:
    with pytest.raises(ConfigError, match="no spaces or control characters"):
        await check("127.0.0.1:1", user='x"\n{}')


async def test_a_pool_that_ignores_configure_passes(monkeypatch) -> None:
    monkeypatch.setattr(upstream, "OPTIONAL_TIMEOUT_S", 0.1)
    async with sim_pool(dialect=NO_ROLLING) as pool:
        report = await checked(pool, timeout_s=PATIENCE_S)
        assert report.ok and said(report)["Version mask"].startswith("not told: ")
