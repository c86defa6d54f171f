"""Every share that meets the network target is in the records with a header that hashes right, and no other."""

from hashlib import sha256

import pytest

from proxy.history.journal import BlockJournal
from proxy.history.journal_import import JournalImporter
from proxy.models.history import Block
from proxy.observe.events import BlockFound
from proxy.types import Verdict
from tests.support.world import World

NBITS = "207fffff"
"""A regression-test network's: every other hash is a block."""
TARGET = 0x7FFFFF << 8 * (0x20 - 3)


def double(payload):
    return sha256(sha256(payload).digest()).digest()


class Farm:
    """One miner on one scripted pool whose network is that easy, with the journal."""

    def __init__(self, path):
        self.world = World(pools={"A": 8})
        self.pool = self.world.pools["A"]
        plain = self.pool.job
        self.pool.job = lambda **how: [*plain(**how)[:6], NBITS, *plain(**how)[7:]]
        self.journal = BlockJournal(
            path, clock=self.world.clock, events=self.world.events, in_background=lambda call: call()
        )
        self.miner = self.world.miner()
        self.world.advance(2)
        self.pool.notify(new_block=True)
        self.world.advance(1)

    def header(self, nonce):
        """The header as firmware makes it from its job."""
        _, prevhash, coinb1, coinb2, branches, version, nbits, ntime, _ = self.miner.job
        extranonce1, size = self.miner.subscribed()
        root = double(bytes.fromhex(coinb1 + extranonce1 + "00" * size + coinb2))
        for branch in branches:
            root = double(root + bytes.fromhex(branch))
        words = bytes.fromhex(prevhash)
        previous = b"".join(words[at : at + 4][::-1] for at in range(0, 32, 4))
        fields = [bytes.fromhex(word)[::-1] for word in (version, ntime, nbits, nonce)]
        return fields[0] + previous + root + fields[1] + fields[2] + fields[3]

    def mine(self, count):
        """Submit; the hashes (as shown) that are blocks, by the network's rule."""
        blocks = set()
        for number in range(count):
            nonce = f"{number:08x}"
            self.miner.submit(nonce=nonce)
            digest = double(self.header(nonce))
            if int.from_bytes(digest, "little") <= TARGET:
                blocks.add(digest[::-1].hex())
        return blocks


@pytest.fixture
def farm(tmp_path):
    farm = Farm(tmp_path / "blocks.jsonl")
    yield farm
    farm.journal.close()


@pytest.mark.no_cover
def test_the_records_are_exactly_the_blocks_and_each_header_hashes_right(farm, tmp_path, db):
    blocks = farm.mine(200)
    farm.world.advance(1)
    assert 60 < len(blocks) < 140
    JournalImporter(tmp_path / "blocks.jsonl")()
    assert set(Block.objects.filter(verdict="accepted").values_list("header_hash", flat=True)) == blocks
    for block in Block.objects.all():
        assert double(bytes.fromhex(block.header))[::-1].hex() == block.header_hash
        root = double(bytes.fromhex(block.coinbase))
        for branch in block.merkle_branches:
            root = double(root + bytes.fromhex(branch))
        assert bytes.fromhex(block.header)[36:68] == root
    assert len(farm.world.events_of(BlockFound)) == len(blocks)


def test_a_block_is_in_the_journal_before_its_pool_is_asked_and_follows_its_refusal(farm, tmp_path, db):
    seen = []

    def refuse(params):
        seen.append((tmp_path / "blocks.jsonl").read_bytes().count(b'"candidate"'))
        return {"result": None, "error": [20, "high-hash", None]}

    farm.pool.verdict = refuse
    blocks = farm.mine(20)
    farm.world.advance(1)
    assert seen[-1] == len(blocks) and len(seen) == 20
    JournalImporter(tmp_path / "blocks.jsonl")()
    assert {(block.verdict, block.message) for block in Block.objects.all()} == {("rejected", "high-hash")}
    assert all(not found.accepted for found in farm.world.events_of(BlockFound))


def test_a_block_whose_pool_dies_before_it_answers_is_kept(farm, tmp_path, db):
    farm.pool.answer_submits = False
    blocks = farm.mine(10)
    farm.pool.drop()
    farm.world.advance(1)
    JournalImporter(tmp_path / "blocks.jsonl")()
    assert set(Block.objects.values_list("header_hash", "verdict")) == {
        (block, Verdict.UNANSWERED.value) for block in blocks
    }
