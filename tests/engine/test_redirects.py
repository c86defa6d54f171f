"""Where a pool may send us."""

import pytest

from proxy.config.snapshot import Endpoint
from proxy.engine.redirect import redirect_target

HERE = Endpoint(host="pool.example", port=3333)
OTHER = Endpoint(host="other.example", port=4444)


@pytest.mark.parametrize(
    ("params", "target"),
    [
        ([], HERE),
        (["pool.example", "3334"], Endpoint(host="pool.example", port=3334)),
        (["Other.Example", 4444], OTHER),
        (["", 3333], HERE),
        (["other.example", 1], None),
        (["somebody.example", 3333], None),
        ([7, 3333], None),
        (["pool.example", 0], None),
        (["pool.example", 65536], None),
        (["pool.example", "123456"], None),
        (["pool.example", True], None),
        (["pool.example", None], None),
    ],
)
def test_a_redirect_leads_to_the_same_host_or_to_a_configured_address(params, target):
    assert redirect_target(params, HERE, [HERE, OTHER]) == target
