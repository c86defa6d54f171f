"""What cgminer's relatives tell of themselves is read, and what cannot be believed is left out."""

import json

import pytest

from proxy.devices.cgminer import MAX_ANSWER, Answers, commands, facts_of, parsed, pools_of
from proxy.devices.facts import Nonsense
from tests.devices.recorded import ANTMINER, BRAIINS, NANO_3S, PLAIN, WHATSMINER, answers


@pytest.mark.parametrize("recorded", [NANO_3S, ANTMINER, WHATSMINER, BRAIINS, PLAIN])
def test_each_kind_is_asked_what_it_knows(recorded):
    first = Answers()
    first.add("version", recorded["version"])
    assert set(recorded) - {"version"} <= set(commands(first))


def test_an_avalon_tells_it_in_one_line():
    facts = facts_of(answers(NANO_3S))
    assert (facts.model, facts.firmware) == ("Avalon Nano3s", "Nano3s-25021401_56abae7")
    assert facts.hashrate == pytest.approx(6598.84e9)
    assert (facts.power_w, facts.temperature_c, facts.fans_rpm, facts.fan_percent) == (133, 95, (1520,), 33)
    assert (facts.frequency_mhz, facts.uptime_s, facts.errors) == (464.89, 10027, ())
    assert (facts.user, facts.pool) == ("bc1qexample.garage", "stratum+tcp://192.168.1.2:3351")


def test_an_avalon_tells_its_errors():
    broken = json.loads(json.dumps(NANO_3S))
    line = broken["estats"]["STATS"][0]["MM ID0"]
    broken["estats"]["STATS"][0]["MM ID0"] = line.replace("ECHU[0]", "ECHU[512 0]").replace("In Work", "In Fault")
    assert facts_of(answers(broken)).errors == ("ECHU 512", "Work: In Fault")


def test_an_antminer_tells_it_in_its_statistics():
    facts = facts_of(answers(ANTMINER))
    assert (facts.model, facts.firmware) == ("Antminer S19 XP", "49.0.1.3")
    assert facts.hashrate == pytest.approx(135_349.88e9)
    assert (facts.power_w, facts.temperature_c, facts.frequency_mhz) == (3010, 71, 529.13)
    assert facts.fans_rpm == (5880, 5760, 5790, 0) and facts.fan_stopped


def test_an_antminer_without_the_number_of_its_fans_has_those_that_turn():
    recorded = json.loads(json.dumps(ANTMINER))
    del recorded["stats"]["STATS"][1]["fan_num"]
    facts = facts_of(answers(recorded))
    assert facts.fans_rpm == (5880, 5760, 5790) and not facts.fan_stopped


def test_a_whatsminer_tells_it_in_its_summary():
    facts = facts_of(answers(WHATSMINER))
    assert (facts.model, facts.firmware) == ("M30S++VH40", "20230911.12.Rel")
    assert facts.hashrate == pytest.approx(101.25e12)
    assert (facts.power_w, facts.temperature_c, facts.fans_rpm) == (3288, 91.3, (4530, 4560))
    assert (facts.frequency_mhz, facts.uptime_s, facts.errors) == (640, 9120, ("error code 206",))


def test_braiins_tells_it_by_commands_of_its_own():
    facts = facts_of(answers(BRAIINS))
    assert (facts.model, facts.firmware) == ("Antminer S9", "BOSer 2024-06-04-0-3f0a8a2c-24.06-plus")
    assert (facts.power_w, facts.temperature_c, facts.fans_rpm, facts.voltage_v) == (1190, 81.5, (3600,), 8.9)


def test_a_plain_cgminer_tells_little():
    facts = facts_of(answers(PLAIN))
    assert (facts.firmware, facts.temperature_c, facts.power_w, facts.fans_rpm) == ("4.11.1", 48, None, ())
    assert facts.hashrate == pytest.approx(400e9) and facts.joules_per_th is None


def test_a_comma_that_old_antminers_forget_is_put_in():
    assert parsed(b'{"STATS":[{"a":1}{"b":2}]}\x00') == {"STATS": [{"a": 1}, {"b": 2}]}


def test_numbers_that_are_none_and_texts_cut_in_two_break_nothing():
    assert parsed(b'{"a": NaN, "b": -Infinity, "c": "\xff", "d": "x\ty"}') == {
        "a": None,
        "b": None,
        "c": "\ufffd",
        "d": "x\ty",
    }


@pytest.mark.parametrize(
    "answer", [b"", b"[]", b"5", b"{" * 100_000, b"[" * 100_000, b'{"a":' + b"9" * 9000 + b"}", b" " * (MAX_ANSWER + 1)]
)
def test_what_is_no_object_is_refused(answer):
    with pytest.raises(Nonsense):
        parsed(answer)


@pytest.mark.parametrize("summary", [{}, {"SUMMARY": []}, {"SUMMARY": [5]}, {"SUMMARY": {"a": 1}}])
def test_whoever_has_no_summary_is_no_miner(summary):
    found = Answers()
    found.add("summary", summary)
    with pytest.raises(Nonsense):
        facts_of(found)


def test_pools_that_cannot_be_read_are_left_out():
    found = Answers()
    found.add(
        "pools",
        {
            "POOLS": [
                {"POOL": "x", "URL": "a", "User": "b"},
                {"POOL": 1, "URL": 5, "User": "b"},
                {"POOL": 2, "URL": "c", "User": "d", "Status": "Alive"},
            ]
        },
    )
    assert [(pool.number, pool.in_use) for pool in pools_of(found)] == [(2, True)]
