"""Wallets of every form and passwords are taken out of text."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config.snapshot import LogConfig
from proxy.observe.events import DownstreamTraffic
from proxy.observe.log import Redactor, redact
from tests.observe.logs_cast import LEGACY, ONE, RIG, Scene, authorized

WALLETS = [
    LEGACY,
    "3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy",
    "mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn",
    "2MzQwSSnBHWHqSAqtTVQ6v47XtaisrJa1Vc",
    "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
    "BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4",
    "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0",
    "tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx",
    "bitcoincash:qpm2qsznhks23z7629mms6s4cwef74vcwvy22gdx6a",
    "qpm2qsznhks23z7629mms6s4cwef74vcwvy22gdx6a",
    "BITCOINCASH:QPM2QSZNHKS23Z7629MMS6S4CWEF74VCWVY22GDX6A",
    "bitcoincash:qr6m7j9njldwwzlg9v7v53unlr4jkmx6eylep8ekg2",
    "bchtest:pr6m7j9njldwwzlg9v7v53unlr4jkmx6eyvwc0uz5t",
    "bitcoincash:qh3krj5607v3qlqh5c3wq3lrw3wnuxw0sp8dv0zugrrt5a3kj6ucysfz8kxwv2k53krr7n933jfsunqex2w82sl",
    "DBXu2kgc3xtvCUWFcxFE3r9hEYgmuaaCyD",
    "dgb1qw508d6qejxtdg4y5r3zarvary0c5xw7kmg2rgr",
]


@pytest.mark.parametrize("wallet", WALLETS)
def test_every_form_of_address_is_taken_out_and_the_worker_stays(wallet: str) -> None:
    assert redact(f'user "{wallet}.rig1" and {wallet}') == 'user "[wallet].rig1" and [wallet]'


@pytest.mark.parametrize(
    "text",
    [
        "000000000000000000024bead8df69990852c202db0e0097c1a12ea637d7e96d",
        "1a2b3c4d5e6f718293a4b5c6d7e8f912",
        "2025-06-15T15:06:40.000Z",
        "cgminer/4.11.1 bitaxe/BM1366/v2.9.0",
        "submit_dropped_duplicate_fp",
        "solo.ckpool.org:3333",
    ],
)
def test_hashes_times_and_names_stay(text: str) -> None:
    assert redact(text) == text


@pytest.mark.no_cover
@given(st.text("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz", min_size=33, max_size=33))
def test_no_legacy_form_gets_through(rest: str) -> None:
    address = "1G" + rest[:31]
    assert address not in redact(f"{address}.rig")


def test_known_account_name_is_taken_out() -> None:
    hide = Redactor(["farmer", "farmer-two", "x"])
    assert hide("farmer.rig farmer-two.rig farmers x") == "[wallet].rig [wallet].rig farmers x"


def test_log_is_written_without_wallets_where_that_is_configured() -> None:
    scene = Scene()
    scene.sink.apply(LogConfig(redact_wallets=True), wallets=["farmer"])
    scene.events.emit(authorized(user=f"{LEGACY}.rig"))
    scene.events.emit(authorized(user="farmer.rig", worker=LEGACY))
    first, second = scene.written()
    assert first["user"] == second["user"] == "[wallet].rig"
    assert second["worker"] == "[wallet]"


@pytest.mark.parametrize(
    "line",
    [
        '{"id":1,"method":"mining.authorize","params":["w.rig","secret"]}',
        '{"params": ["w.rig", "secret"], "method": "mining.\\u0061uthorize"}\n{"id":2}',
        '{"id":1,"method":"mining.authorize","params":["w.rig","secret"',
        '{"id":1,"method":"mining.subscribe"}\n{"id":1,"method":"mining.authorize","params":["w.rig","secret",1]}\n',
    ],
)
def test_passwords_are_never_written(line: str) -> None:
    scene = Scene()
    scene.events.emit(DownstreamTraffic(session=ONE, worker=RIG, direction="rx", line=line))
    scene.written()
    assert "secret" not in scene.stdout.getvalue()


def test_other_traffic_is_written_as_it_was() -> None:
    line = json.dumps({"id": 4, "method": "mining.submit", "params": ["w.rig", "1", "00", "00", "00"]})
    scene = Scene()
    scene.events.emit(DownstreamTraffic(session=ONE, worker=RIG, direction="rx", line=line))
    assert scene.written()[0]["line"] == line
