"""The page of the workers: what its table says is true, and can be found, ordered, chosen and taken away."""

import re
from dataclasses import replace

import pytest

from proxy.observe.live.views import RateView, store
from tests.dashboard import fixtures


def text_of(page):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.content.decode()))


def watched(value, span_s):
    return RateView(value=value, low=value, high=value, known=True, span_s=span_s)


def with_first(**changes):
    """The busy fleet, its first worker changed."""
    snap = fixtures.rich()
    return replace(snap, workers=(replace(snap.workers[0], **changes), *snap.workers[1:]))


@pytest.mark.parametrize(
    "hour_s, day_s, said",
    [
        (3500, 86000, "11.0 TH/s 12.0 TH/s"),
        (3500, 7200, "11.0 TH/s 12.0 TH/s since 2026-09-21 12:13:20 UTC"),
        (600, 600, "11.0 TH/s since 2026-09-21 14:03:20 UTC –"),
    ],
)
@pytest.mark.parametrize("path", ["/workers/", "/"])
def test_span_that_was_not_watched_whole_says_since_when(browser_of, pools, path, hour_s, day_s, said):
    store.put(with_first(rate_1h=watched(11e12, hour_s), rate_24h=watched(12e12, day_s)))
    assert said in text_of(browser_of("viewer").get(path))
