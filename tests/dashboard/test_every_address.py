"""Every address of the URLconf, tried by everybody: one that is not listed here fails."""

import re
from collections.abc import Iterator

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from dashboard.models import ReadOnlyLink

pytestmark = pytest.mark.no_cover

STRANGER, NO_GROUP, LINK, VIEWER, OPERATOR, ADMINISTRATOR = (
    "stranger",
    "account without a group",
    "read-only link",
    "viewer",
    "operator",
    "administrator",
)
PERSONS = (NO_GROUP, VIEWER, OPERATOR, ADMINISTRATOR)
ALL = (STRANGER, LINK, *PERSONS)
SEE = frozenset({LINK, VIEWER, OPERATOR, ADMINISTRATOR})
STEER = LOGS = frozenset({OPERATOR, ADMINISTRATOR})
ADMINISTER = frozenset({ADMINISTRATOR})
LOGGED_IN = frozenset(PERSONS)
EVERYBODY = frozenset(ALL)

WHO_MAY = {
    "favicon.ico": EVERYBODY,
    "login/": EVERYBODY,
    "logout/": EVERYBODY,
    "login/second-factor/": LOGGED_IN,  # leads Home; others to the login page, but after a password
    "login/passkey/": LOGGED_IN,  # the same: strangers' browsers ask for JSON, and answer with a passkey
    "login/provider/": EVERYBODY,  # 404 unless the operator has set up a provider; so are the next three
    "login/provider/callback/": EVERYBODY,
    "account/provider/link/": LOGGED_IN,
    "account/provider/<int:pk>/remove/": LOGGED_IN,
    "account/confirm/": LOGGED_IN,
    "account/confirm/code/": LOGGED_IN,
    "account/confirm/passkey/": LOGGED_IN,
    "account/second-factor/": LOGGED_IN,
    "account/second-factor/app/": LOGGED_IN,
    "account/second-factor/app/remove/": LOGGED_IN,
    "account/second-factor/codes/": LOGGED_IN,
    "account/second-factor/codes/new/": LOGGED_IN,
    "account/second-factor/passkeys/": EVERYBODY,  # leads to the page above
    "account/second-factor/passkeys/new/": LOGGED_IN,
    "account/second-factor/passkeys/<int:pk>/remove/": LOGGED_IN,
    "i18n/setlang/": EVERYBODY,
    "healthz": EVERYBODY,
    "readyz": EVERYBODY,
    "metrics": EVERYBODY,
    "": SEE,
    "live/poll/": SEE,
    "theme/": EVERYBODY,
    "split/set/": STEER,
    "split/auto/": STEER,
    "split/reset/": STEER,
    "split/undo/": STEER,
    "workers/": SEE,
    "workers.csv": SEE,
    "fleet/": SEE,
    "pins/": STEER,
    "pins/set/": STEER,
    "workers/<worker:name>/": SEE,
    "workers/<worker:name>/pin/": STEER,
    "workers/<worker:name>/note/": STEER,
    "workers/<worker:name>/forget/": STEER,
    "pools/": SEE,
    "pools/<str:key>/": SEE,
    "pools/<str:key>/test/": STEER,
    "pools/<str:key>/edit/": ADMINISTER,
    "pools/new/": ADMINISTER,
    "wallets/": ADMINISTER,
    "wallets/new/": ADMINISTER,
    "wallets/<int:pk>/": ADMINISTER,
    "nodes/": SEE,
    "nodes/drain/": ADMINISTER,
    "listeners/": SEE,
    "listeners/new/": ADMINISTER,
    "listeners/<int:pk>/": ADMINISTER,
    "vardiff/": SEE,
    "vardiff/new/": ADMINISTER,
    "vardiff/<int:pk>/": ADMINISTER,
    "alerts/": ADMINISTER,
    "alerts/new/": ADMINISTER,
    "alerts/test/": ADMINISTER,
    "alerts/rules/<int:pk>/": ADMINISTER,
    "alerts/<int:pk>/": ADMINISTER,
    "people/<int:pk>/": ADMINISTER,
    "blocks/close/": SEE,
    "addresses/let-in/": STEER,
    "schedule/": SEE,
    "schedule/edit/": STEER,
    "schedule/edit/preview/": STEER,
    "schedule/windows/new/": STEER,
    "schedule/windows/<int:pk>/": STEER,
    "schedule/new/": STEER,
    "schedule/<int:pk>/": STEER,
    "balance/": SEE,
    "records/": SEE,
    "money/": SEE,
    "money/settings/": ADMINISTER,
    "money.csv": SEE,
    "whatif/": SEE,
    "whatif/state/": SEE,
    "whatif/run/": STEER,
    "whatif/cancel/": STEER,
    "whatif/apply/": STEER,
    "logs/": LOGS,
    "logs/download/": LOGS,
    "logs/events/": ADMINISTER,
    "logs/events/save/": ADMINISTER,
    "help/": SEE,
    "help/monitoring/<str:name>": SEE,
    "help/<slug:slug>/": SEE,
    "settings/": ADMINISTER,
    "mqtt/": ADMINISTER,
    "mqtt/test/": ADMINISTER,
    "devices/": SEE,
    "devices/settings/": ADMINISTER,
    "devices/scan/": ADMINISTER,
    "devices/new/": ADMINISTER,
    "devices/<int:pk>/": ADMINISTER,
    "start/": ADMINISTER,
    "start/test/": ADMINISTER,
    "account/": LOGGED_IN,
    "account/sessions/end/": LOGGED_IN,
    "account/browsers/key/": SEE - {LINK},
    "account/browsers/add/": SEE - {LINK},
    "account/browsers/<int:pk>/remove/": LOGGED_IN,
    "account/tokens/make/": SEE - {LINK},
    "account/tokens/<int:pk>/revoke/": LOGGED_IN,
    "api/v1/": SEE,
    "api/v1/openapi.json": SEE,
    "api/v1/<any:rest>": frozenset(),
    "people/": ADMINISTER,
    "people/links/<int:pk>/revoke/": ADMINISTER,
    "view/<str:secret>/": EVERYBODY,
    "audit/": STEER,
    "manifest.webmanifest": EVERYBODY,
    "here/": EVERYBODY,
    "offline/": EVERYBODY,
    "offline-worker.js": EVERYBODY,
    "widget/": EVERYBODY,  # not found unless the environment allows it
    "charts/fleet/": SEE,
    "charts/split/": SEE,
    "charts/worker/<worker:name>/": SEE,
    "charts/pool/<str:key>/": SEE,
    "charts/money/": SEE,
    "charts/whatif/": SEE,
    "charts/network/<str:what>/": SEE,
}
"""Address -> who is not refused. Those below ``admin/`` are the administrators', but for those of ``ADMIN_FOR_ALL``."""
ADMIN_FOR_ALL = {
    "admin/login/",
    "admin/logout/",
    "admin/r/<path:rest>",
    "admin/r/<path:content_type_id>/<path:object_id>/",
}
"""What is below ``admin/r/`` is not found."""
ENDS_SESSIONS = {"logout/", "account/sessions/end/"}
VALUES = {
    "name": "AvalonQ",
    "key": "A",
    "what": "rate",
    "slug": "security",
    "pk": "999",
    "secret": "none",
    "rest": "1/1/",
}


def routes(resolver: URLResolver, before: str = "") -> Iterator[tuple[str, URLPattern]]:
    """(the whole route, its pattern) of everything below ``resolver``."""
    for each in resolver.url_patterns:
        route = before + str(each.pattern)
        if isinstance(each, URLResolver):
            yield from routes(each, route)
        else:
            yield route, each


ROUTES = dict(routes(get_resolver()))


def address_of(route: str) -> str:
    """The route with something in the places of its parameters."""
    address = re.sub(r"<\w+:(\w+)>", lambda found: VALUES.get(found[1], "1"), route)
    return "/" + address.replace("help/monitoring/AvalonQ", "help/monitoring/alerts.yml").removesuffix("(?P<url>.*)$")


def refused(response) -> bool:
    return response.status_code in (401, 403) or (response.status_code == 302 and "/login/" in response["Location"])


@pytest.fixture
def browser_as(person, db):
    """``browser_as("viewer")`` is a new one of that viewer."""
    people = {who: person("" if who == NO_GROUP else who) for who in PERSONS}
    _link, secret = ReadOnlyLink.make(label="wall", by="ada")

    def make(who: str) -> Client:
        client = Client()
        if who == LINK:
            client.get(f"/view/{secret}/")
        elif who in people:
            client.force_login(people[who], backend="django.contrib.auth.backends.ModelBackend")
        return client

    return make


def test_every_address_is_listed_and_every_listed_one_is_an_address():
    assert {route for route in ROUTES if not route.startswith("admin/")} == set(WHO_MAY)
    assert set(ROUTES) >= ADMIN_FOR_ALL


@pytest.mark.parametrize("who", ALL)
def test_each_address_lets_in_whom_it_should_and_nobody_else(browser_as, pools, who):
    client = browser_as(who)
    for route, may in WHO_MAY.items():
        address = address_of(route)
        answers = [client.get(address), client.post(address, HTTP_HX_REQUEST="true")]
        if route in ENDS_SESSIONS:
            client = browser_as(who)
        codes = [answer.status_code for answer in answers]
        assert max(codes) < 500 or route == "readyz", (route, codes)
        if who in may:
            assert not all(map(refused, answers)), (route, codes)
        else:
            assert all(refused(answer) or answer.status_code == 405 for answer in answers), (route, codes)


# The admin asks one question of everybody: these are who is nearest to an administrator, and who has no account.
@pytest.mark.parametrize("who", [OPERATOR, LINK, STRANGER])
def test_the_admin_is_for_administrators_only(browser_as, who):
    client = browser_as(who)
    for route in ROUTES:
        if route.startswith("admin/") and route not in ADMIN_FOR_ALL:
            for answer in (client.get(address_of(route)), client.post(address_of(route))):
                assert refused(answer) or answer.status_code == 405, (route, answer.status_code)
