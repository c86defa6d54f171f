"""A case that was found can be made again from its seed, whatever was made before it."""

import json
from typing import Any

from tests.fuzz.mutation import Mutator

DOCUMENT: dict[str, Any] = {"pools": [{"host": "a", "ports": [1, 2]}, {}], "name": "x", "nothing": None}


def test_the_same_seed_makes_the_same_document_after_any_others() -> None:
    first = [json.dumps(Mutator(seed).document(DOCUMENT)) for seed in range(300)]
    again = [json.dumps(Mutator(seed).document(DOCUMENT)) for seed in range(300)]
    assert first == again
