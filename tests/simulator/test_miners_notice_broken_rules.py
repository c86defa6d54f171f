"""Each firmware profile notices what its real counterpart would stumble over."""

from typing import Any

import pytest

from proxy.simulator.profiles import (
    AVALON,
    BFGMINER,
    BRAIINS,
    CGMINER,
    CPUMINER,
    ESP_MINER,
    HAN_SOLO,
    NERDMINER,
    NERDQAXE,
    NICEHASH,
    WHATSMINER,
    Profile,
)
from proxy.simulator.strictness import Rule
from tests.simulator.conftest import StartMiner
from tests.simulator.scripted import NOTIFY, RuleBreakingPool, difficulty, notify

MASK = {"version-rolling": True, "version-rolling.mask": "1fffe000"}


def extranonce(extranonce1: str, size: int) -> list[Any]:
    return [RuleBreakingPool.ok([[["mining.notify", "s"]], extranonce1, size])]


HANDSHAKES: list[tuple[Profile, str, list[Any], Rule]] = [
    (CPUMINER, "mining.subscribe", [difficulty(1), *extranonce("0a0b", 4)], Rule.UNEXPECTED_LINE),
    (NERDMINER, "mining.subscribe", [NOTIFY, *extranonce("0a0b", 4)], Rule.UNEXPECTED_LINE),
    (CGMINER, "mining.configure", [difficulty(1), RuleBreakingPool.ok(MASK)], Rule.UNEXPECTED_LINE),
    (NERDMINER, "mining.subscribe", extranonce("", 4), Rule.EXTRANONCE),
    (HAN_SOLO, "mining.subscribe", extranonce("", 4), Rule.EXTRANONCE),
    (AVALON, "mining.configure", [RuleBreakingPool.ok({"version-rolling": False})], Rule.CONFIGURE),
    (CGMINER, "mining.configure", [RuleBreakingPool.ok({**MASK, "version-rolling.mask": "00000000"})], Rule.CONFIGURE),
    (AVALON, "mining.subscribe", extranonce("0a0b", 2), Rule.EXTRANONCE),
    (AVALON, "mining.subscribe", extranonce("0a0b", 8), Rule.EXTRANONCE),
    (CGMINER, "mining.subscribe", extranonce("0a0b", 9), Rule.EXTRANONCE),
    (NICEHASH, "mining.subscribe", extranonce("0a0b", 3), Rule.EXTRANONCE),
    (NICEHASH, "mining.subscribe", extranonce("00" * 10, 7), Rule.EXTRANONCE),
    (CPUMINER, "mining.subscribe", [RuleBreakingPool.ok([[], None, 4])], Rule.SUBSCRIBE),
    (WHATSMINER, "mining.configure", [RuleBreakingPool.ok({**MASK, "minimum-difficulty": True})], Rule.CONFIGURE),
    (ESP_MINER, "mining.configure", [RuleBreakingPool.ok({"version-rolling": True})], Rule.CONFIGURE),
    (NERDQAXE, "mining.authorize", [{"id": "3", "result": True, "error": None}], Rule.ID_TYPE),
    (NERDQAXE, "mining.authorize", [RuleBreakingPool.ok("true")], Rule.AUTHORIZE),
    (BRAIINS, "mining.configure", [{"id": "0", "result": MASK, "error": None}], Rule.ID_TYPE),
    (
        BFGMINER,
        "mining.extranonce.subscribe",
        [RuleBreakingPool.ok(True), RuleBreakingPool.ok(True)],
        Rule.ANSWERED_TWICE,
    ),
]


@pytest.mark.parametrize(("profile", "method", "reply", "rule"), HANDSHAKES)
async def test_wrong_handshake_is_noticed(
    profile: Profile, method: str, reply: list[Any], rule: Rule, scripted: RuleBreakingPool, start_miner: StartMiner
) -> None:
    scripted.replies[method] = reply
    miner = await start_miner(scripted, profile)
    await miner.until(lambda m: bool(m.violations))
    assert miner.violations[0].rule is rule


MESSAGES: list[tuple[Profile, list[Any], Rule]] = [
    (BRAIINS, [{"id": None, "method": "mining.set_extranonce", "params": ["00", 4]}], Rule.SET_EXTRANONCE),
    (CGMINER, [{"id": None, "method": "mining.set_extranonce", "params": ["00", 4]}], Rule.SET_EXTRANONCE),
    (CPUMINER, [{"id": None, "method": "mining.set_version_mask", "params": ["1fffe000"]}], Rule.UNKNOWN_METHOD),
    (ESP_MINER, [{"id": None, "method": "mining.set_version_mask", "params": ["1fff"]}], Rule.VERSION_MASK),
    (NERDQAXE, [difficulty(2.5)], Rule.NON_INTEGER_DIFFICULTY),
    (CPUMINER, [difficulty("8")], Rule.DIFFICULTY),
    (CGMINER, [difficulty(2), difficulty(3)], Rule.TWO_DIFFICULTIES),
    (ESP_MINER, [notify("1", clean=False)], Rule.REPEATED_JOB),
    (NERDMINER, [b'{"id":null,"method":"mining.notify","params":["' + b"0" * 5000 + b'"]}'], Rule.LINE_TOO_LONG),
    (CPUMINER, [{**NOTIFY, "params": ["2", *NOTIFY["params"][1:4], None, *NOTIFY["params"][5:]]}], Rule.NOTIFY),
    (CPUMINER, [{**NOTIFY, "params": [*NOTIFY["params"][:8], "true"]}], Rule.NOTIFY),
    (NERDMINER, [{**NOTIFY, "params": ["2", "00" * 32, "01" * 300, *NOTIFY["params"][3:]]}], Rule.NOTIFY),
    (CPUMINER, [{"id": 99, "result": True, "error": None}], Rule.UNASKED_ANSWER),
    (CPUMINER, [b"not json"], Rule.MALFORMED),
]


@pytest.mark.parametrize(("profile", "messages", "rule"), MESSAGES)
async def test_wrong_message_is_noticed(
    profile: Profile, messages: list[Any], rule: Rule, scripted: RuleBreakingPool, start_miner: StartMiner
) -> None:
    miner = await start_miner(scripted, profile)
    await miner.until(lambda m: m.in_work)
    assert not miner.violations
    for message in messages:
        scripted.push(message)
    await miner.until(lambda m: bool(m.violations))
    assert miner.violations[0].rule is rule


async def test_silence_ends_the_connection(scripted: RuleBreakingPool, start_miner: StartMiner) -> None:
    miner = await start_miner(scripted, CGMINER, time_scale=0.01)
    await miner.until(lambda m: m.connections >= 2)
    assert miner.violations[0].rule is Rule.SILENCE


async def test_nerdminer_keeps_suggesting_its_difficulty(scripted: RuleBreakingPool, start_miner: StartMiner) -> None:
    miner = await start_miner(scripted, NERDMINER, time_scale=0.01)
    await miner.until(lambda m: m.connections >= 2)
    suggestions = [call for call in scripted.calls if call["method"] == "mining.suggest_difficulty"]
    assert len(suggestions) >= 3
    assert suggestions[0]["params"] == [0.00015]


async def test_handshakes_are_those_of_the_firmware(scripted: RuleBreakingPool, start_miner: StartMiner) -> None:
    expected = {
        ESP_MINER: ["mining.configure", "mining.subscribe", "mining.authorize", "mining.suggest_difficulty"],
        WHATSMINER: ["mining.suggest_difficulty", "mining.configure", "mining.subscribe", "mining.authorize"],
        BFGMINER: ["mining.suggest_target", "mining.subscribe", "mining.extranonce.subscribe", "mining.authorize"],
        BRAIINS: ["mining.configure", "mining.subscribe", "mining.authorize"],
    }
    for profile, methods in expected.items():
        scripted.calls.clear()
        miner = await start_miner(scripted, profile)
        await miner.until(lambda m: m.in_work)
        await miner.stop()
        assert [call["method"] for call in scripted.calls][: len(methods)] == methods
    assert scripted.calls[0]["id"] == 0
    assert scripted.calls[1]["params"] == [BRAIINS.agent, None, f"127.0.0.1:{scripted.port}", None]


async def test_cgminer_tries_an_unanswered_submit_again_when_its_extranonce1_is_the_same(
    scripted: RuleBreakingPool, start_miner: StartMiner
) -> None:
    scripted.replies["mining.authorize"] = [RuleBreakingPool.ok(True), difficulty(1e-9), NOTIFY]
    miner = await start_miner(scripted, CGMINER, mining=True, hashrate=100, time_scale=0.2)
    await scripted.until_submits(1)
    miner.mining = False
    first = miner.tally.submitted
    await scripted.until_submits(first)
    scripted.drop_connections()
    await scripted.until_submits(2 * first)
    submits = scripted.submits()
    assert submits[first:] == submits[:first]
    assert miner.tally.lost == first
