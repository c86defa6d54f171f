"""A job that came on many connections is read once, and reads as it would alone."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.engine.jobs import JobTable
from proxy.engine.productive import ProductiveDifficulty
from proxy.engine.shared_work import notify_line
from proxy.errors import RemoteProtocolError
from proxy.stratum.extranonce import ExtranoncePadding, MinerExtranonce
from proxy.stratum.pool_job import CACHED_LINES, NotifyCache, NotifyTemplate, PoolJob, parse_notify
from proxy.types import SessionId


def params(**changed: Any) -> list[Any]:
    fields = {
        "job": "4f",
        "prevhash": "00112233" * 8,
        "coinb1": "01" * 40,
        "coinb2": "ff" * 30,
        "branches": ["ab" * 32, "cd" * 32],
        "version": "20000000",
        "nbits": "1d00ffff",
        "ntime": "68000000",
        "clean": True,
        **changed,
    }
    return list(fields.values())


class QuietLink:
    """All that issuing a job asks of a link and its connection."""

    work = None
    is_shared = False

    def __init__(self) -> None:
        self.padding = ExtranoncePadding()
        self.connection = self
        self.productive = ProductiveDifficulty()


def hexes(least: int, most: int) -> st.SearchStrategy[str]:
    return st.binary(min_size=least, max_size=most).map(bytes.hex)


def words() -> st.SearchStrategy[str]:
    return st.integers(0, 2**32 - 1).map("{:08x}".format)


@pytest.mark.no_cover
@given(
    prevhash=hexes(32, 32),
    coinb1=hexes(0, 200),
    coinb2=hexes(0, 200),
    branches=st.lists(hexes(32, 32), max_size=14),
    version=words(),
    nbits=words(),
    ntime=words(),
    extranonce1=st.binary(max_size=16),
    spare=st.integers(0, 4),
    clean=st.booleans(),
)
def test_a_miner_gets_the_pools_job_with_its_extranonce_moved(
    prevhash: str,
    coinb1: str,
    coinb2: str,
    branches: list[str],
    version: str,
    nbits: str,
    ntime: str,
    extranonce1: bytes,
    spare: int,
    clean: bool,
):
    template = parse_notify(
        params(
            prevhash=prevhash,
            coinb1=coinb1,
            coinb2=coinb2,
            branches=branches,
            version=version,
            nbits=nbits,
            ntime=ntime,
        )
    )
    job = PoolJob(
        template=template,
        clean=clean,
        extranonce1=extranonce1,
        extranonce2_size=4 + spare,
        difficulty=1.0,
        version_mask=0,
        received_at=0.0,
    )
    issued = JobTable(MinerExtranonce(b"", 4), SessionId(1)).issue(
        QuietLink(), job, difficulty=1.0, version_mask=0, block_target=0, now=0.0
    )
    line = notify_line(issued, clean=clean)
    assert line.endswith(b"\n")
    assert json.loads(line) == {
        "id": None,
        "method": "mining.notify",
        "params": [
            issued.id,
            prevhash,
            coinb1 + extranonce1.hex() + issued.padding.hex(),
            coinb2,
            branches,
            version,
            nbits,
            f"{issued.ntime:08x}",
            clean,
        ],
    }
    assert len(issued.padding) == spare


@pytest.mark.parametrize(
    "field, other",
    [
        ("prevhash", "ff112233" * 8),
        ("coinb1", "01" * 41),
        ("coinb2", "ff" * 29),
        ("branches", ["ab" * 32]),
        ("version", "20000004"),
    ],
)
def test_content_differs_where_the_search_space_does(field: str, other: Any):
    assert parse_notify(params()).content != parse_notify(params(**{field: other})).content


def test_content_tells_where_one_part_of_the_coinbase_ends():
    assert (
        parse_notify(params(coinb1="0102", coinb2="03")).content
        != parse_notify(params(coinb1="01", coinb2="0203")).content
    )


def test_content_does_not_ask_for_names_and_times():
    assert parse_notify(params()).content == parse_notify(params(job="50", ntime="68000001", clean=False)).content


def test_a_board_knows_the_newest_lines_and_no_more():
    notify_cache, templates = NotifyCache(), {}
    for number in range(3 * CACHED_LINES):
        line = b"%d" % number
        templates[line] = parse_notify(params(job=f"{number:x}"))
        notify_cache.put(line, templates[line])
    found = {line: notify_cache.find(line) for line in templates}
    assert [line for line, template in found.items() if template is not None] == list(templates)[-CACHED_LINES:]
    assert all(template is templates[line] for line, template in found.items() if template is not None)


@pytest.mark.parametrize(
    "bad",
    [
        params()[:7],
        params(prevhash="00"),
        params(job=""),
        params(job=True),
        params(job="x" * 129),
        params(branches="ab"),
        params(branches=["ab"]),
        params(branches=["ab" * 32] * 33),
        params(coinb1="0"),
        params(coinb1="zz"),
        params(coinb2="00" * 12_001),
        params(version="2000000"),
        params(nbits=486604799),
    ],
)
def test_what_is_no_job_is_refused(bad: list[Any]):
    with pytest.raises(RemoteProtocolError):
        parse_notify(bad)


def test_a_notice_reads_as_the_header_wants_it():
    template = parse_notify(params(prevhash="01020304" + "00" * 28))
    assert isinstance(template, NotifyTemplate)
    assert template.prevhash[:4] == bytes([4, 3, 2, 1])
    assert template.network_target == 0xFFFF << 208


def test_a_job_is_announced_once_for_all_connections() -> None:
    cache = NotifyCache()
    one, other = parse_notify(params(job="1")), parse_notify(params(job="2"))
    assert [cache.announce(template) for template in (one, one, other, one, other)] == [True, False, True, False, False]
