"""What pools say too early or too late still counts."""

from typing import Any

import pytest

from proxy.stratum.firmware import profile_of
from proxy.stratum.version_rolling import USUAL_MASK
from tests.stratum.test_upstream import NOTIFY, Bench


def test_a_job_before_the_answer_to_subscribe_is_kept() -> None:
    bench = Bench()
    bench.push("mining.set_difficulty", [4])
    bench.push("mining.notify", NOTIFY)
    bench.configure()
    bench.subscribe()
    bench.pool(id=bench.id_of("mining.authorize"), result=True, error=None)
    (job,) = bench.owner.jobs
    assert (job.extranonce1.hex(), job.extranonce2_size, job.difficulty) == ("aabbccdd", 8, 4.0)
    assert job.version_mask == USUAL_MASK
    assert not bench.owner.problems


def test_an_answer_to_configure_that_comes_late_still_gives_the_mask() -> None:
    bench = Bench()
    bench.clock.advance(3)
    bench.subscribe()
    bench.pool(id=bench.id_of("mining.authorize"), result=True, error=None)
    bench.push("mining.notify", NOTIFY)
    assert bench.owner.jobs[-1].version_mask is None
    bench.configure("1fffe000")
    assert len(bench.owner.jobs) == 1  # what was assumed: nobody starts anew for it
    assert ("mask", USUAL_MASK) in bench.owner.calls
    bench.push("mining.notify", NOTIFY)
    assert bench.owner.jobs[-1].version_mask == USUAL_MASK


@pytest.mark.parametrize(
    ("answer", "mask"),
    [
        ({"result": {"version-rolling": True, "version-rolling.mask": "00ffe000"}, "error": None}, 0x00FFE000),
        ({"result": {"version-rolling": False}, "error": None}, 0),
        ({"result": None, "error": [20, "Not supported", None]}, 0),
    ],
)
def test_a_late_answer_that_allows_fewer_bits_makes_the_job_a_new_one(answer: dict[str, Any], mask: int) -> None:
    bench = Bench()
    bench.clock.advance(3)
    bench.subscribe()
    bench.pool(id=bench.id_of("mining.authorize"), result=True, error=None)
    bench.push("mining.notify", NOTIFY)
    bench.pool(id=bench.id_of("mining.configure"), **answer)
    assert (bench.owner.jobs[-1].version_mask, bench.owner.jobs[-1].clean) == (mask, True)


def test_while_the_pool_has_not_said_bits_go_up_and_after_a_refusal_they_do_not() -> None:
    bench = Bench()
    bench.clock.advance(3)
    bench.subscribe()
    bench.pool(id=bench.id_of("mining.authorize"), result=True, error=None)
    bench.push("mining.notify", NOTIFY)
    bench.submit("t", bench.owner.jobs[-1], b"\0" * 8, 0x68000000, 1, 0x20002000)
    assert bench.sent[-1]["params"][5:] == ["00002000"]
    bench.pool(id=bench.id_of("mining.configure"), result={"version-rolling": False}, error=None)
    bench.submit("t", bench.owner.jobs[-1], b"\0" * 8, 0x68000000, 1, 0x20000000)
    assert len(bench.sent[-1]["params"]) == 5


@pytest.mark.parametrize("mask", [536862720, "", "1fffe0001fffe000", None])
def test_a_mask_that_cannot_be_read_costs_the_mask_and_not_the_pool(mask: object) -> None:
    bench = Bench()
    bench.subscribe()
    bench.pool(id=bench.id_of("mining.authorize"), result=True, error=None)
    bench.pool(
        id=bench.id_of("mining.configure"), error=None, result={"version-rolling": True, "version-rolling.mask": mask}
    )
    bench.push("mining.notify", NOTIFY)
    assert bench.upstream.ready
    assert bench.owner.jobs


def test_bits_that_nobody_asked_for_are_not_taken() -> None:
    """AntPool answers 5fffe000 to whatever was asked (hathor-core #61); bits outside BIP 320 are nobody's to roll."""
    bench = Bench()
    bench.configure("5fffe000")
    bench.push("mining.set_version_mask", ["ffffffff"])
    assert bench.upstream.version_mask == USUAL_MASK


@pytest.mark.parametrize(
    "agent",
    [
        "NerdOCTAXE-γ/BM1370/v1.0.35",
        "NerdOCTAXE+/BM1368/v1",
        "NerdEKO/BM1370/v1",
        "NerdHaxe-γ/BM1370/v1",
        "NerdQAxe++/BM1370/v1",
        "NerdAxe/BM1366/v1",
    ],
)
def test_every_board_of_the_nerdqaxe_firmware_gets_whole_difficulties(agent: str) -> None:
    """The notify_cache's name is the agent (shufps/ESP-Miner-NerdQAxePlus, main/boards)."""
    assert profile_of(agent).integer_difficulty
