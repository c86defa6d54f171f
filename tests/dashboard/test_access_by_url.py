"""Who sees and may do what, tried at every address."""

from dataclasses import replace

import pytest

from dashboard import access
from proxy.observe.live.views import Alarm, store
from proxy.ops import check_pool as checkpool
from proxy.types import WorkerName
from tests.dashboard import fixtures

pytestmark = pytest.mark.no_cover

SEE = [
    "/",
    "/workers/",
    "/workers/AvalonQ/",
    "/pools/",
    "/pools/A/",
    "/schedule/",
    "/balance/",
    "/records/",
    "/help/",
    "/help/security/",
    "/help/monitoring/alerts.yml",
    "/charts/fleet/",
    "/charts/worker/AvalonQ/",
    "/charts/pool/A/",
    "/charts/network/rate/",
    "/live/poll/?r=split",
]
LOGS = ["/logs/", "/logs/download/"]
STEER = ["/audit/"]
ADMINISTER = ["/people/", "/start/", "/logs/events/", "/settings/"]
ACTIONS = {
    "/split/set/": {"A": "60", "B": "40"},
    "/split/auto/": {},
    "/split/reset/": {},
    "/workers/AvalonQ/pin/": {"pool": "A"},
    "/workers/AvalonQ/note/": {"note": "in the cellar"},
    "/workers/BitAxe2/forget/": {},
}
ADMIN_ACTIONS = {"/start/test/": {}, "/logs/events/save/": {}, "/people/links/999/revoke/": {}}


def refused(response) -> bool:
    return response.status_code in (401, 403) or (response.status_code == 302 and "/login/" in response["Location"])


@pytest.mark.parametrize(
    "group, allowed",
    [("viewer", SEE), ("operator", SEE + LOGS + STEER), ("administrator", SEE + LOGS + STEER + ADMINISTER)],
)
def test_each_group_sees_its_pages_and_no_others(browser_of, pools, group, allowed):
    browser = browser_of(group)
    for address in SEE + LOGS + STEER + ADMINISTER:
        response = browser.get(address)
        assert refused(response) != (address in allowed), f"{group} {address}: {response.status_code}"
        if address in allowed:
            assert response.status_code == 200, address


def test_stranger_is_sent_to_the_login(client, db):
    for address in SEE + LOGS + STEER + ADMINISTER:
        assert refused(client.get(address)), address


def test_account_without_a_group_sees_nothing(browser_of):
    browser = browser_of("")
    for address in SEE + LOGS + STEER + ADMINISTER:
        assert refused(browser.get(address)), address


@pytest.mark.parametrize("group, may", [("viewer", False), ("operator", True), ("administrator", True)])
def test_only_operators_and_administrators_steer(browser_of, pools, group, may):
    browser = browser_of(group)
    for address, said in ACTIONS.items():
        assert refused(browser.post(address, said)) != may, f"{group} {address}"


@pytest.mark.parametrize("group", ["viewer", "operator"])
def test_only_administrators_administer(browser_of, group):
    browser = browser_of(group)
    for address, said in ADMIN_ACTIONS.items():
        assert refused(browser.post(address, said)), f"{group} {address}"


def test_read_only_link_sees_pages_but_no_logs_and_no_action(link_browser, pools):
    browser, _link = link_browser
    for address in SEE:
        assert browser.get(address).status_code == 200, address
    for address in LOGS + STEER + ADMINISTER:
        assert refused(browser.get(address)), address
    for address, said in {**ACTIONS, **ADMIN_ACTIONS}.items():
        assert refused(browser.post(address, said)), address


def test_read_only_link_shows_no_wallet_and_an_account_does(link_browser, browser_of, pools):
    browser, _link = link_browser
    pools[0].solo = True
    pools[0].save()
    assert b"ownername0" not in browser.get("/pools/A/").content
    assert b"ownername0" in browser_of("viewer").get("/pools/A/").content


def test_read_only_link_shows_no_wallet_even_as_a_worker_s_name(link_browser, browser_of, pools):
    address = "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq"
    snap = fixtures.rich()
    named = replace(snap.workers[0], name=WorkerName(address))
    store.put(
        replace(
            snap,
            workers=(named,),
            alarms=(Alarm(level="warn", text=f"{address} is away", kind="worker", subject=address),),
        )
    )
    browser, _link = link_browser
    for page in ["/", "/workers/", "/live/poll/?r=fleet&r=alarms", "/schedule/", f"/workers/{address}/"]:
        assert address not in browser.get(page).content.decode(), page
    assert address in browser_of("viewer").get("/workers/").content.decode()


def test_revoked_link_shows_nothing(link_browser, browser_of):
    browser, link = link_browser
    browser_of("administrator").post(f"/people/links/{link.pk}/revoke/")
    assert refused(browser.get("/"))


def test_unknown_link_is_not_found(client, db):
    assert client.get("/view/not-a-secret/").status_code == 404


@pytest.mark.parametrize("wallets", [True, False])
def test_connection_test_names_the_wallet_only_to_those_who_may_see_it(browser_of, pools, monkeypatch, wallets):
    held = frozenset({access.SEE, access.STEER, *([access.WALLETS] if wallets else [])})
    monkeypatch.setattr(access, "of_user", lambda user: access.Access(held))
    asked = []

    async def check(target, *, show_wallets, **said):
        asked.append(show_wallets)
        return checkpool.CheckReport(lines=[("user", "ownername0.dpmp" if show_wallets else "[wallet].dpmp", True)])

    monkeypatch.setattr(checkpool, "check", check)
    html = browser_of("operator").post("/pools/A/test/", headers={"HX-Request": "true"}).content.decode()
    assert asked == [wallets] and ("ownername0" in html) is wallets
