"""``manage.py simulate`` tells what the scheduler would do, the same for the same seed, and takes no nonsense."""

import io
import re

import pytest
from django.core.management import CommandError, call_command


def simulate(**options: object) -> str:
    out = io.StringIO()
    usual = {"fleet": "80,6,2x1", "weights": "70:30", "hours": 1.0, "seed": 1}
    call_command("simulate", stdout=out, **{**usual, **options})
    return out.getvalue()


def rows(text: str) -> list[str]:
    """Return the lines of the table, which begin with a time."""
    return [line for line in text.splitlines() if re.match(r" *[\d.]+ (min|h) ", line)]


def errors(text: str) -> list[float]:
    return [float(line.split()[2]) for line in rows(text)]


def parts(row: str) -> dict[str, float]:
    return {pool: float(part) for pool, part in re.findall(r"([A-Z]) +([\d.]+) %", row)}


def switches(text: str) -> tuple[int, float]:
    found = re.search(r"(\d+) switches, ([\d.]+) per miner-hour", text)
    assert found is not None
    return int(found[1]), float(found[2])


def lost(text: str) -> float:
    found = re.search(r"([\d.]+) miner-seconds lost to switching, [\d.]+ % of the time", text)
    assert found is not None
    return float(found[1])


def test_the_same_seed_gives_the_same_table_and_another_seed_another_one():
    one, again, other = simulate(churn=50.0), simulate(churn=50.0), simulate(churn=50.0, seed=2)
    assert one == again
    assert rows(one) != rows(other)


@pytest.mark.no_cover
def test_split_and_error_are_shown_over_time_beside_both_terms_of_the_bound():
    text = simulate()
    assert [row.split()[:2] for row in rows(text)] == [
        ["1", "min"],
        ["5", "min"],
        ["15", "min"],
        ["30", "min"],
        ["1", "h"],
    ]
    assert "half a dwell of what is sliced + what the estimates cannot know" in text
    for row in rows(text):
        error, slicing, plus, estimates = row.split()[2:6]
        assert plus == "+"
        assert float(error) <= float(slicing) + float(estimates)
        assert abs(parts(row)["A"] - 70) == pytest.approx(float(error), abs=0.011)
    assert errors(text)[-1] < 1.0


def test_every_pool_has_a_bar_as_long_as_its_part():
    table = rows(simulate(weights="60:30:10"))
    for row in table:
        bars = re.findall(r"% ?(#*)", row)
        assert [len(bar) for bar in bars] == [round(part / 100 * 20) for part in parts(row).values()]
        assert len(bars) == 3
    assert all(re.findall(r"% ?(#*)", table[-1]))


@pytest.mark.no_cover
def test_switches_are_counted_by_the_miner_hour_and_cost_what_they_are_said_to():
    text = simulate(fleet="80", weights="50:50", switch_cost_s=2.0)
    count, per_hour = switches(text)
    # A round of 60 seconds has two switches; 120 an hour.
    assert 115 <= count <= 122
    assert per_hour == pytest.approx(count, abs=0.01)
    assert lost(text) == 2 * count
    assert lost(simulate(fleet="80", weights="50:50", switch_cost_s=0.0)) == 0


@pytest.mark.no_cover
def test_a_policy_can_be_forced():
    calm, busy = simulate(fleet="12x100"), simulate(fleet="12x100", policy="slicing")
    assert "policy at the end: packing" in calm
    assert "policy at the end: slicing" in busy
    assert switches(calm)[1] < switches(busy)[1] / 5


def test_a_pool_that_is_down_gets_nothing():
    row = rows(simulate(down=["B@0+60"]))[-1]
    assert parts(row)["A"] == pytest.approx(100.0, abs=0.1)
    assert parts(rows(simulate(down=["B@5+10"]))[-1])["B"] < 29


def test_a_miner_that_falls_silent_is_made_up_for():
    whole, without = simulate(fleet="50,50,50", hours=2.0), simulate(fleet="50,50,50", hours=2.0, mute=["rig0@15+100"])
    assert rows(whole)[:3] == rows(without)[:3]
    assert rows(whole)[-1] != rows(without)[-1]
    assert errors(without)[-1] < 2.0


@pytest.mark.no_cover
def test_miners_leave_and_join_while_the_split_holds():
    text = simulate(fleet="30x50,10x100", churn=100.0)
    assert "each hour 100 % of the miners leave and as many join" in text
    assert errors(text)[-1] < 1.0
    assert rows(text) != rows(simulate(fleet="30x50,10x100"))


def test_a_pool_that_refuses_shares_pays_less_than_luck_explains():
    assert "outside" in rows(simulate(fleet="80,80", reject="B=60", hours=2.0))[-1]


def test_a_farm_learns_what_shared_connections_would_spare_it():
    farm = {"fleet": "1000x100", "hours": 0.003, "shares_per_minute": 6.0}
    assert "shared" not in simulate(**farm)
    text = simulate(**farm, shared=250)
    assert "4 to each pool in place of 1000, with up to 250 miners each (65536 would differ" in text
    assert "100.0 a second from the miners; about 1.2 a second go up" in text and "300.0 with a connection" in text
    assert "5 to each pool" not in text and "usual limit" not in text
    assert "4 to each pool in place of 1000, with up to 256 miners" in simulate(**farm, shared=500, extranonce2=4)
    assert (
        "50 to each pool" in (text := simulate(**farm, shared=20)) and "connections of the pool to 50 or more" in text
    )
    assert "no room for two miners on one" in simulate(**farm, shared=250, extranonce2=2)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"fleet": "eighty"}, '"eighty" is no miner'),
        ({"fleet": ""}, "is no miner"),
        ({"fleet": "0"}, "is no miner"),
        ({"fleet": "0x100"}, "at least 1"),
        ({"fleet": "999999x1"}, "At most 10000 miners"),
        ({"fleet": "9" * 5000}, "is no miner"),
        ({"weights": "half"}, "no weights"),
        ({"weights": ":".join(["1"] * 27)}, "1 to 26 weights"),
        ({"weights": "0:0"}, ""),
        ({"weights": "-5:105"}, ""),
        ({"weights": "nan:1"}, ""),
        ({"weights": "inf:1"}, ""),
        ({"hours": 0.0}, "up to 1440 hours"),
        ({"hours": float("nan")}, "up to 1440 hours"),
        ({"hours": 1e9}, "up to 1440 hours"),
        ({"min_switch_s": 0.0}, ""),
        ({"min_switch_s": float("nan")}, ""),
        ({"slice_s": -1.0}, ""),
        ({"switch_cost_s": -1.0}, "0 to 60 seconds"),
        ({"shares_per_minute": 0.0}, "shares a minute"),
        ({"churn": -1.0}, "percent of the miners"),
        ({"churn": 1e6}, "percent of the miners"),
        ({"reject": "B"}, "write for example B=5"),
        ({"reject": "Z=5"}, "write for example B=5"),
        ({"shared": -1}, "miners can share"),
        ({"shared": 100, "extranonce2": 1}, "2 to 16 bytes"),
        ({"down": ["B"]}, "write who@minute+minutes"),
        ({"down": ["Z@1+1"]}, "There is no pool Z"),
        ({"mute": ["rig99@1+1"]}, "There is no miner rig99"),
    ],
)
def test_what_cannot_be_simulated_is_said_before_anything_is_printed(options: dict[str, object], says: str):
    out = io.StringIO()
    with pytest.raises(CommandError) as refused:
        call_command("simulate", stdout=out, **options)
    assert says in str(refused.value)
    assert str(refused.value).strip()
    assert out.getvalue() == ""


def test_an_unknown_policy_is_refused():
    with pytest.raises(CommandError, match="invalid"):
        call_command("simulate", "--policy", "chaos")
