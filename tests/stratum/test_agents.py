"""Which firmware an agent is taken for: one line for each agent seen, so that no pattern shadows another unnoticed."""

import time

import pytest

from proxy.config.snapshot import ConfigSnapshot, FirmwareRule
from proxy.stratum.firmware import BY_NAME, PROFILES, UNKNOWN, profile_of

pytestmark = pytest.mark.no_cover

AGENTS = {
    "bitaxe/BM1370/v2.15.0": "esp-miner",
    "BitAxe/BM1366": "esp-miner",
    "ESP-Miner/2.0": "esp-miner",
    "NMAxe/BM1366/v1": "esp-miner",
    "GekkoAxe-GT/BM1370/1.0": "esp-miner",
    "bitforge/nano/1": "esp-miner",
    "Disruptor/1.2": "esp-miner",
    "Magicminer/BG02": "esp-miner",
    "Zyber8S/1.0": "esp-miner",
    "JingleMiner/1": "esp-miner",
    "ForgeMiner/1.1": "esp-miner",
    "BitsyMiner/1.0": "esp-miner",
    "Rkminer/1.0": "esp-miner",
    "LuckyMiner/LV06": "esp-miner",
    "LV06/BM1366/v2": "esp-miner",
    "luckyminer/LV08/v2.1": "esp-miner",
    "bitdsk/N8": "esp-miner",
    "NerdMinerV2/1.8.2": "nerdminer",
    "HAN_SOLOminer/1.2": "nerdminer",
    "NerdNOS/1.0": "nerdminer",
    "HeliosMiner/1.0": "nerdminer",
    "LuckyMiner/V1.0.3": "nerdminer",
    "Nerd Miner/1.0": "nerdminer",
    "MvIiIaX_Nerd/1": "nerdminer",
    "LuckyMiner/V10": "esp-miner",
    "NerdQAxe++/BM1370/v1.0.36": "nerdqaxe",
    "NerdAxe/BM1366": "nerdqaxe",
    "NerdOCTAXE-gamma/BM1370": "nerdqaxe",
    "NerdEKO/BM1366": "nerdqaxe",
    "SparkMiner/2.9.0": "sparkminer",
    "sparkminer": "sparkminer",
    "WroomMiner/1.0": "wroomminer",
    "Antminer S19j Pro/LUXminer 2024.5": "luxos",
    "Antminer S21|LUXminer 2025.1": "luxos",
    "xminer-1.2.6": "vnish",
    "Antminer S21/1.0": "antminer-s21",
    "Antminer S21 Pro/1.0": "antminer-s2x",
    "Antminer S19/1.0": "antminer",
    "bmminer/2.0.0": "antminer",
    "sm-miner/1.0": "antminer",
    "BHB42601/1.0": "antminer",
    "BHB42XXX": "antminer",
    "cgminer/4.11.1": "avalon",
    "cgminer/4.11.1 (avalon)": "avalon",
    "Avalon Nano3": "avalon",
    "cgminer/4.10.0": "cgminer",
    "sgminer/5.6": "cgminer",
    "whatsminer/v1.1": "whatsminer",
    "BMM-101/1.0.2;bosminer-plus-tuner 0.9.0": "braiins",
    "bfgminer/5.5.0": "bfgminer",
    "cpuminer/2.5.1": "cpuminer",
    "cpuminer-multi/1.3.7": "cpuminer",
    "NiceHash/1.0.0": "nicehash",
    "apollo/1.0": "apollo",
    "MRR/1.0": "mrr",
    "": "unknown",
    "something new/1.0": "unknown",
    "miner": "unknown",
}


@pytest.mark.parametrize(("agent", "name"), AGENTS.items())
def test_each_agent_is_taken_for_its_own_firmware(agent: str, name: str) -> None:
    assert profile_of(agent).name == name


def test_every_profile_is_reached_by_an_agent_or_chosen_by_hand() -> None:
    assert {profile.name for profile in (*PROFILES, UNKNOWN)} - set(AGENTS.values()) == {"sparkminer-2026"}
    assert len(BY_NAME) == len(PROFILES) + 1


def test_whoever_aborts_on_an_empty_extranonce1_is_not_said_to_accept_one() -> None:
    assert not [profile for profile in PROFILES if profile.needs_extranonce1 and profile.accepts_empty_extranonce1]


@pytest.mark.parametrize(
    ("pattern", "agent", "matches"),
    [
        ("solo", "HAN_SOLOminer/1", True),
        ("solo", "other", False),
        ("bitaxe/*", "BitAxe/BM1370", True),
        ("bitaxe/*", "my bitaxe/BM1370", False),
        ("*axe*1370*", "NerdQAxe/BM1370/v1", True),
        ("v?.0", "v1.0", True),
        ("v?.0", "v11.0", False),
        ("*", "", True),
        ("?", "", False),
        ("[a-z]", "b", False),
        ("a.c", "abc", False),
        ("*a*b", "xaxbxb", True),
        ("*ab", "aab", True),
        ("a*b*c", "abcbd", False),
    ],
)
def test_a_rule_of_the_operator_is_a_part_of_the_agent_or_a_pattern_for_all_of_it(
    pattern: str, agent: str, matches: bool
) -> None:
    assert FirmwareRule(agent=pattern, profile="unknown").matches(agent) is matches


def test_no_pattern_takes_long() -> None:
    rule = FirmwareRule(agent="*a" * 32 + "b", profile="unknown")
    began = time.process_time()
    for _ in range(100):
        assert not rule.matches("a" * 128)
    assert time.process_time() - began < 2.0


def test_the_operators_first_rule_wins_over_what_is_known() -> None:
    rules = (
        FirmwareRule(agent="sparkminer/3*", profile="sparkminer-2026"),
        FirmwareRule(agent="spark", profile="cpuminer"),
    )
    config = ConfigSnapshot(firmware=rules)
    assert profile_of("SparkMiner/3.1", config.firmware_profile_of("SparkMiner/3.1")).name == "sparkminer-2026"
    assert profile_of("SparkMiner/2.9", config.firmware_profile_of("SparkMiner/2.9")).name == "cpuminer"
    assert profile_of("bitaxe/1", config.firmware_profile_of("bitaxe/1")).name == "esp-miner"
    assert profile_of("x", "gone") is UNKNOWN
