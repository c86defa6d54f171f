"""A found block is in the journal before anything else happens, and gets into the database from there."""

import os
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256

import orjson
import pytest

from proxy.core.events import BlockFound, DatabaseTrouble, EventStream
from proxy.core.types import DecidedBy, Reason, Verdict
from proxy.core.virtual import VirtualClock
from proxy.models.history import Block
from proxy.sinks import journal as journal_module
from proxy.sinks.journal import BlockJournal
from proxy.sinks.journal_import import JournalImporter
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


@pytest.mark.parametrize(("verdict", "reason", "accepted"), [
    (Verdict.ACCEPTED, Reason.NONE, True), (Verdict.REJECTED, Reason.STALE, False)])
def test_the_pools_verdict_follows_and_is_announced(world, verdict, reason, accepted):
    block = candidate()
    world.events.emit(block)
    world.events.emit(share(header_hash=b"x" * 32))
    world.events.emit(answered(block, verdict=verdict, reason=reason, message="late\ud800"))
    world.events.emit(answered(block, verdict=verdict, reason=reason))
    assert [(found.accepted, found.header_hash) for found in world.heard.of(BlockFound)] == [
        (accepted, block.header_hash)]
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
    assert {block.header_hash for block in Block.objects.all()} == {
        candidate(n).header_hash.hex() for n in (1, 2)}


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
    assert (first.verdict, second.verdict, third.verdict, third.message) == (
        "pending", "accepted", "rejected", "stale")
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
