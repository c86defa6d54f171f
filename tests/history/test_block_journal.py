"""A found block is in the journal before anything else happens, and gets into the database from there."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from hashlib import sha256

import orjson
import pytest

from proxy.history import journal as journal_module
from proxy.history.journal import BlockJournal
from proxy.history.journal_import import JournalImporter
from proxy.history.journal_undelivered import read_undelivered
from proxy.models.history import Block
from proxy.observe.events import (
    BlockDelivered,
    BlockFound,
    BlockKept,
    BlockNotDelivered,
    BlockResent,
    DatabaseTrouble,
    EventStream,
)
from proxy.scheduling.virtual_clock import VirtualClock
from proxy.types import BlockFate, DecidedBy, Reason, Verdict
from tests.support.shares import Heard, candidate, share


class World:
    def __init__(self, path):
        self.path = path
        self.clock, self.events, self.synced = VirtualClock(), EventStream(), []
        self.heard = Heard(self.events, BlockFound, DatabaseTrouble)
        self.journal = BlockJournal(path, clock=self.clock, events=self.events, in_background=self.synced.append)

    def lines(self):
        return [orjson.loads(line) for line in self.path.read_bytes().split(b"\n") if line]


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path / "blocks.jsonl")
    yield world
    world.journal.close()


def answered(block, **more):
    return share(header_hash=block.header_hash, **more)


def test_the_whole_block_is_in_the_file_when_the_event_returns(world):
    block = candidate()
    world.events.emit(block)
    [entry] = world.lines()
    header = bytes.fromhex(entry["header"])
    assert sha256(sha256(header).digest()).digest()[::-1].hex() == entry["hash"]
    assert bytes.fromhex(entry["coinbase"]) == block.coinbase
    assert entry["branches"] == [b"b".hex() * 32]
    assert world.heard.all == []


def test_a_block_is_one_write_and_its_fsync_is_not_done_on_the_loop(world, monkeypatch):
    writes = []
    write = os.write
    monkeypatch.setattr(journal_module.os, "write", lambda fd, line: writes.append(line) or write(fd, line))
    world.events.emit(candidate())
    assert len(writes) == 1
    [sync] = world.synced
    with ThreadPoolExecutor(1) as executor:
        executor.submit(sync).result()


@pytest.mark.parametrize(
    ("verdict", "reason", "accepted"), [(Verdict.ACCEPTED, Reason.NONE, True), (Verdict.REJECTED, Reason.STALE, False)]
)
def test_the_pools_verdict_follows_and_is_announced(world, verdict, reason, accepted):
    block = candidate()
    world.events.emit(block)
    world.events.emit(share(header_hash=b"x" * 32))
    world.events.emit(answered(block, verdict=verdict, reason=reason, message="late\ud800"))
    world.events.emit(answered(block, verdict=verdict, reason=reason))
    assert [(found.accepted, found.header_hash) for found in world.heard.of(BlockFound)] == [
        (accepted, block.header_hash)
    ]
    assert [entry["kind"] for entry in world.lines()] == ["candidate", "verdict"]


def test_a_verdict_that_never_came_is_not_announced_as_one(world):
    block = candidate()
    world.events.emit(block)
    world.events.emit(answered(block, verdict=Verdict.UNANSWERED, reason=Reason.POOL_LOST, by=DecidedBy.PROXY))
    assert world.heard.of(BlockFound) == []
    assert world.lines()[1]["verdict"] == "unanswered"


def test_a_full_disk_is_told_and_the_block_is_written_later(world, monkeypatch):
    def full(fd, line):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(journal_module.os, "write", full)
        world.events.emit(candidate(1))
    assert "No space left" in world.heard.of(DatabaseTrouble)[0].problem
    world.events.emit(candidate(2))
    assert [trouble.recovered for trouble in world.heard.of(DatabaseTrouble)] == [False, True]
    assert [entry["hash"] for entry in world.lines()] == [candidate(n).header_hash.hex() for n in (1, 2)]


def test_a_line_torn_by_a_full_disk_spoils_no_other(world, monkeypatch, db):
    write = os.write
    with monkeypatch.context() as patch:
        patch.setattr(journal_module.os, "write", lambda fd, line: write(fd, line[:100]))
        world.events.emit(candidate(1))
    world.events.emit(candidate(2))
    JournalImporter(world.path)()
    assert {block.header_hash for block in Block.objects.all()} == {candidate(n).header_hash.hex() for n in (1, 2)}


def test_blocks_are_imported_once_with_their_verdicts_however_often(world, db):
    importer = JournalImporter(world.path)
    importer()
    for number in range(5):
        world.events.emit(candidate(number))
    importer()
    world.events.emit(answered(candidate(1)))
    world.events.emit(answered(candidate(2), verdict=Verdict.REJECTED, reason=Reason.STALE, message="stale"))
    importer()
    importer()
    JournalImporter(world.path)()
    assert Block.objects.count() == 5
    first, second, third = Block.objects.order_by("height")[:3]
    assert (first.verdict, second.verdict, third.verdict, third.message) == ("pending", "accepted", "rejected", "stale")
    assert first.height == 840_000
    assert sha256(sha256(bytes.fromhex(first.header)).digest()).digest()[::-1].hex() == first.header_hash
    assert first.at.timestamp() == pytest.approx(world.clock.wall())


def test_lines_that_lie_or_are_no_blocks_are_left_out(world, db):
    block = candidate()
    world.events.emit(block)
    line = world.lines()[0]
    for wrong in ({"hash": "00" * 32}, {"header": "zz"}, {"chain": "DOGE"}, {"at": "never"}, {"nbits": None}):
        with world.path.open("ab") as file:
            file.write(orjson.dumps(line | {"hash": "11" * 32} | wrong) + b"\n[]\n{}\n\xff\n")
    JournalImporter(world.path)()
    assert [row.header_hash for row in Block.objects.all()] == [block.header_hash.hex()]


def test_half_a_line_is_imported_when_it_is_whole(world, db):
    world.events.emit(candidate())
    whole = world.path.read_bytes()
    world.path.write_bytes(whole[:200])
    importer = JournalImporter(world.path)
    importer()
    assert Block.objects.count() == 0
    world.path.write_bytes(whole)
    importer()
    assert Block.objects.count() == 1


def event_of(block, kind, **more):
    return kind(worker=block.worker, pool=block.pool, chain=block.chain, header_hash=block.header_hash, **more)


def row(world, block):
    JournalImporter(world.path)()
    entry = Block.objects.get(header_hash=block.header_hash.hex())
    return entry.verdict, entry.fate, entry.message


def test_what_became_of_a_block_whose_connection_broke_is_in_the_file_and_in_the_database(world, db):
    block = candidate()
    world.events.emit(block)
    assert row(world, block) == ("pending", "", "")
    world.events.emit(event_of(block, BlockKept))
    assert row(world, block) == ("pending", "waiting", "")
    world.events.emit(answered(block, verdict=Verdict.UNANSWERED, reason=Reason.POOL_LOST, by=DecidedBy.PROXY))
    assert row(world, block)[:2] == ("unanswered", "waiting")
    world.events.emit(event_of(block, BlockResent))
    assert row(world, block)[:2] == ("unanswered", "sent")
    assert world.heard.of(BlockFound) == []
    world.events.emit(event_of(block, BlockDelivered, fate=BlockFate.ACCEPTED, accepted=True, message=""))
    assert row(world, block) == ("accepted", "accepted", "")
    assert [found.accepted for found in world.heard.of(BlockFound)] == [True]
    assert [entry.get("fate") for entry in world.lines()] == [None, "waiting", None, "sent", "accepted"]


def test_a_block_delivered_while_its_miner_waits_is_announced_once(world, db):
    block = candidate()
    world.events.emit(block)
    world.events.emit(event_of(block, BlockKept))
    world.events.emit(event_of(block, BlockDelivered, fate=BlockFate.ARRIVED, accepted=True, message=""))
    world.events.emit(answered(block))
    assert [found.accepted for found in world.heard.of(BlockFound)] == [True]
    assert row(world, block)[:2] == ("accepted", "arrived")


def test_a_block_that_could_not_be_delivered_keeps_its_verdict_and_is_not_announced(world, db):
    block = candidate()
    world.events.emit(block)
    world.events.emit(event_of(block, BlockNotDelivered, fate=BlockFate.NEW_SESSION, reason="another session"))
    world.events.emit(answered(block, verdict=Verdict.UNANSWERED, reason=Reason.POOL_LOST, by=DecidedBy.PROXY))
    assert row(world, block)[:2] == ("unanswered", "new_session")
    assert world.heard.of(BlockFound) == []


def sendable(number=0):
    return replace(
        candidate(number),
        endpoint="pool.example:3333",
        pool_session="0000002a",
        extranonce1=b"\x01\x02",
        submit=("walletA.rig", "6a", "00" * 8, "68000000", "00000001"),
    )


def test_after_a_kill_the_journal_says_which_blocks_nobody_knows_the_fate_of(world):
    blocks = [sendable(number) for number in range(6)]
    for block in blocks:
        world.events.emit(block)
    world.events.emit(answered(blocks[1]))
    world.events.emit(answered(blocks[2], verdict=Verdict.REJECTED, reason=Reason.STALE))
    world.events.emit(answered(blocks[3], verdict=Verdict.UNANSWERED, reason=Reason.POOL_LOST, by=DecidedBy.PROXY))
    world.events.emit(event_of(blocks[4], BlockKept))
    world.events.emit(event_of(blocks[4], BlockResent))
    world.events.emit(event_of(blocks[5], BlockNotDelivered, fate=BlockFate.EXPIRED, reason="too old"))
    world.events.emit(candidate(9))
    left = read_undelivered(world.path)
    assert [(block.header_hash, block.sent_again) for block in left] == [
        (blocks[0].header_hash, False),
        (blocks[3].header_hash, False),
        (blocks[4].header_hash, True),
    ]
    first = left[0]
    assert (first.endpoint, first.pool_session, first.extranonce1, first.submit, first.worker, first.pool) == (
        "pool.example:3333",
        "0000002a",
        b"\x01\x02",
        blocks[0].submit,
        blocks[0].worker,
        blocks[0].pool,
    )
    assert first.at == pytest.approx(world.clock.wall())


def test_a_journal_that_is_missing_torn_or_of_an_older_version_leaves_nothing_to_send(world, tmp_path):
    assert read_undelivered(tmp_path / "none") == []
    world.events.emit(sendable())
    [line] = world.lines()
    old = {key: value for key, value in line.items() if key != "submit"}
    for odd in (
        old,
        line | {"submit": []},
        line | {"submit": ["x" * 900]},
        line | {"chain": "DOGE"},
        line | {"extranonce1": "zz"},
        line | {"hash": 7},
        [],
        {"kind": "fate"},
    ):
        world.path.write_bytes(orjson.dumps(odd) + b"\n\xff\n" + orjson.dumps(line)[:300])
        assert read_undelivered(world.path) == []
