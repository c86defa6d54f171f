"""A feed of releases may answer anything: a version that is newer is told, nothing else is."""

import pytest

from proxy.updates.releases import FeedError, Release, is_newer, release_of


@pytest.mark.parametrize(
    "answer, release",
    [
        ({"version": "4.1.0", "url": "https://x.example/new"}, Release("4.1.0", "https://x.example/new")),
        ({"tag_name": "v4.1.0", "html_url": "https://x.example/v"}, Release("4.1.0", "https://x.example/v")),
        ({"info": {"version": "4.1", "package_url": "https://x.example/p"}}, Release("4.1", "https://x.example/p")),
        ({"version": "4.1.0"}, Release("4.1.0")),
        ({"version": "4.1.0", "url": "javascript:alert(1)"}, Release("4.1.0")),
        ({"version": "4.1.0", "url": "https://me:secret@x.example/"}, Release("4.1.0")),
        ({"version": "4.1.0", "url": "https://[x"}, Release("4.1.0")),
        ({"version": "4.1.0", "url": "https://x.example/\u202e"}, Release("4.1.0")),
        ({"version": "4.1.0", "url": "https://x.example/" + "a" * 300}, Release("4.1.0")),
        ({"version": "4.1.0", "url": 7}, Release("4.1.0")),
    ],
)
def test_three_kinds_of_answers_are_understood_and_only_harmless_links_kept(answer: object, release: Release) -> None:
    assert release_of(answer) == release


WRONG = [[], "4.1.0", None, {}, {"version": 4}, {"version": "x"}, {"version": "1" * 65}, {"info": {}}, {"tag_name": 1}]


@pytest.mark.parametrize("answer", WRONG)
def test_anything_else_is_an_error(answer: object) -> None:
    with pytest.raises(FeedError):
        release_of(answer)


@pytest.mark.parametrize(
    "found, newer", [("4.0.1", True), ("4.0.0", False), ("3.9", False), ("4.1.0rc1", False), ("5", True)]
)
def test_only_a_final_version_that_is_later_is_newer(found: str, newer: bool) -> None:
    assert is_newer(Release(found), "4.0.0") is newer
