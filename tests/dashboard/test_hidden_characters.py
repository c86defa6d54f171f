"""A page shows what somebody typed or a miner sent, but obeys none of its hidden characters."""

from dataclasses import replace

import pytest
from axes.models import AccessAttempt

from proxy.observe.live.views import store
from tests.dashboard import fixtures

OVERRIDE, CSI = "\u202e", "\x9b"

pytestmark = pytest.mark.django_db


@pytest.mark.no_cover
def test_names_of_wrong_logins_are_listed_with_their_hidden_characters_named(client, admin_client):
    client.post("/login/", {"username": f"ada{OVERRIDE}nimda", "password": "wrong"}, headers={"user-agent": f"x{CSI}y"})
    assert AccessAttempt.objects.exists()
    page = admin_client.get("/admin/axes/accessattempt/").content.decode()
    assert OVERRIDE not in page and CSI not in page
    assert "ada\\u202enimda" in page


def test_a_user_agent_on_a_page_and_in_a_frame_has_its_hidden_characters_named(browser_of):
    snap = fixtures.rich()
    first = replace(snap.workers[0], agent=f"miner{OVERRIDE}renim")
    store.put(replace(snap, workers=(first, *snap.workers[1:])))
    page = browser_of("operator").get(f"/workers/{first.name}/").content.decode()
    assert OVERRIDE not in page and "miner\\u202erenim" in page
