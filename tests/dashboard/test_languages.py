"""The pages in German and Spanish: what people read follows their language, what machines read never does."""

import re
from html.parser import HTMLParser

import pytest
from asgiref.sync import sync_to_async
from channels.layers import get_channel_layer
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.contrib.auth.models import Group, User
from django.test import Client
from django.utils import translation

from dashboard import live, presenters, viewers
from dashboard.templatetags.units import effort
from dashboard.templatetags.weeks import shortday
from dpmp_site.asgi import application
from proxy.observe.live.views import store
from tests.dashboard import fixtures
from tests.dashboard.api.conftest import calls  # noqa: F401
from tests.support.patience import PATIENCE_S

READ = {"title", "alt", "placeholder", "aria-label", "data-tip", "data-label"}
"""Attributes that people read."""
PAGES = (
    "/",
    "/workers/",
    "/workers/AvalonQ/",
    "/fleet/",
    "/pools/",
    "/pools/A/",
    "/pools/A/edit/",
    "/pools/new/",
    "/schedule/",
    "/schedule/edit/",
    "/schedule/new/",
    "/balance/",
    "/records/",
    "/logs/",
    "/settings/",
    "/alerts/",
    "/wallets/",
    "/people/",
    "/account/",
    "/help/",
)


@pytest.fixture(autouse=True)
def language_of_the_tests():
    """What a request leaves behind in this thread is not for the next test."""
    yield
    translation.deactivate()


def page_of(client, path, language):
    answer = client.get(path, headers={"Accept-Language": language})
    assert answer.status_code == 200, path
    return answer.content.decode()


def text_of(html):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


@pytest.mark.no_cover
@pytest.mark.parametrize(
    "path, language, texts",
    [
        ("/", "de-AT,de;q=0.9,en;q=0.5", ["Start", "Hashrate nach Pool", "Aufteilung", "Auf einen Blick|läuft seit"]),
        ("/", "es-MX,es;q=0.9", ["Inicio", "Hashrate por pool", "Reparto"]),
        ("/workers/", "de", ["Workers? suchen|Name, Notiz, Firmware oder Adresse", "Spalten"]),
        ("/workers/", "es", ["Nombre, nota, firmware o dirección|Buscar workers", "Columnas"]),
        ("/schedule/", "de", ["Zeitplan", "Die nächsten sieben Tage"]),
        ("/schedule/", "es", ["Horario", "Los próximos siete días"]),
        ("/admin/", "de", ["Abmelden", "Zeitpläne", "Sprache"]),
        ("/admin/", "es", ["Cerrar sesión", "[Hh]orarios", "Idioma"]),
    ],
)
def test_page_is_in_the_language_that_the_browser_asks_for(browser_of, pools, path, language, texts):
    browser = browser_of("administrator")
    User.objects.update(is_staff=True, is_superuser=True)
    html = page_of(browser, path, language)
    assert f'lang="{language[:2]}"' in html
    for text in texts:
        assert re.search(text, html), text


@pytest.mark.parametrize("language, word", [("de", "Anmelden"), ("es", "Iniciar sesión"), ("fr, en", "Log in")])
def test_login_is_in_the_language_of_the_browser_and_lets_choose_another(db, language, word):
    html = page_of(Client(), "/login/", language)
    assert word in text_of(html)
    assert re.findall(r'<option value="(\w+)"', html) == ["en", "de", "es"]


def test_choice_of_a_language_wins_over_the_browser_and_is_kept_for_a_year(browser_of, pools):
    browser = browser_of("viewer")
    answer = browser.post("/i18n/setlang/", {"language": "es", "next": "/records/"})
    assert answer.headers["Location"] == "/records/"
    assert browser.cookies[settings.LANGUAGE_COOKIE_NAME]["max-age"] == 365 * 86400
    assert "Récords" in page_of(browser, "/records/", "de")


@pytest.mark.no_cover
@pytest.mark.parametrize("language", ["de", "es"])
def test_numbers_on_pages_have_a_decimal_comma(browser_of, pools, language):
    text = text_of(page_of(browser_of("viewer"), "/workers/", language))
    assert re.search(r"\d,\d+ [TG]H/s", text) and not re.search(r"\d\.\d+ [TGP]H/s", text)


class Attributes(HTMLParser):
    """Attributes of a page that look like numbers, and are for machines."""

    def __init__(self, html):
        super().__init__()
        self.found = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.found += [
            (tag, name, value)
            for name, value in attrs
            if value and name not in READ and re.fullmatch(r"[-\d.,\s%M{}\[\]\":A-Z]*\d[-\d.,\s%}\]]*", value)
        ]


def test_comma_in_an_attribute_would_be_found():
    assert Attributes('<rect x="1,5%" title="2,5"><input value="3,5"><path d="M0 1.5 2 3,5">').found == [
        ("rect", "x", "1,5%"),
        ("input", "value", "3,5"),
        ("path", "d", "M0 1.5 2 3,5"),
    ]


@pytest.mark.no_cover
@pytest.mark.parametrize("path", PAGES)
def test_what_machines_read_in_a_page_has_no_decimal_comma(browser_of, pools, path):
    found = Attributes(page_of(browser_of("administrator"), path, "de")).found
    assert [each for each in found if re.search(r"\d,\d", each[2])] == []


def test_split_percent_duration_and_date_follow_the_language():
    said = {}
    for language in ("en", "de", "es"):
        with translation.override(language):
            said[language] = (
                presenters.ratio({"A": 0.7, "B": 0.3}, ["A", "B"]),
                presenters.ratio({"A": 0.705, "B": 0.295}, ["A", "B"]),
                presenters.count(44441),
                presenters.seconds(4.8),
                effort(1e-7),
                shortday("2026-02-02"),
            )
    assert said == {
        "en": ("70 : 30", "70.5 : 29.5", "44,441", "4.8 s", "< 0.001 %", "Mon 2"),
        "de": ("70 : 30", "70,5 : 29,5", "44.441", "4,8 s", "< 0,001 %", "Mo 2."),
        "es": ("70 : 30", "70,5 : 29,5", "44\xa0441", "4,8 s", "< 0,001 %", "lun 2"),
    }


@pytest.mark.parametrize("path", ["/settings", "/workers", "/pools", "/split", "/nothing"])
def test_api_is_the_same_for_a_caller_of_any_language(calls, pools, path):  # noqa: F811
    call = calls("administrator")
    answers = [call("GET", path, **{"Accept-Language": language}) for language in ("en", "de")]
    assert answers[0].content == answers[1].content
    assert answers[1].headers.get("Content-Language", "en") == "en"


def test_table_as_a_file_is_the_same_for_a_reader_of_any_language(browser_of, pools):
    browser = browser_of("viewer")
    files = [page_of(browser, "/workers.csv", language) for language in ("en", "de")]
    assert files[0] == files[1]


def test_poll_answers_in_the_language_of_the_page(browser_of, pools):
    store.put(fixtures.down(2))
    browser = browser_of("viewer")
    assert "ist ausgefallen" in page_of(browser, "/live/poll/?r=alarms&lang=de", "en")
    for unknown in ("", "&lang=xx", "&lang=" + "d" * 600, "&lang=%00"):
        assert "is down" in page_of(browser, "/live/poll/?r=alarms" + unknown, "en")


def test_page_names_its_language_to_its_socket(browser_of, pools):
    html = page_of(browser_of("viewer"), "/", "de")
    assert re.search(r'ws-connect="/live/\?[^"]*lang=de"', html)
    assert re.search(r'data-poll="/live/poll/\?[^"]*lang=de"', html)


def test_region_is_rendered_once_for_each_language(browser_of, pools):
    browsers = [browser_of("viewer") for _ in range(1)]
    before = live.renderings.made
    for language in ("de", "es", "de-CH", "de", "es-AR"):
        page_of(browsers[0], f"/live/poll/?r=headline&lang={language}", "en")
    assert live.renderings.made - before == 2


@pytest.mark.django_db(transaction=True)
async def test_frames_stay_in_the_language_of_the_page_whatever_is_chosen_elsewhere():
    get_channel_layer().__init__()
    viewers.viewer_access.__init__()
    browser = await sync_to_async(_viewer)()
    browser.cookies[settings.LANGUAGE_COOKIE_NAME] = "es"
    store.put(fixtures.down(2))
    for named, word in (("&lang=de", "ist ausgefallen"), ("", "está caído"), ("&lang=xx", "está caído")):
        socket = _socket(browser, f"/live/?r=alarms{named}")
        assert (await socket.connect(timeout=PATIENCE_S))[0]
        assert word in await socket.receive_from(timeout=PATIENCE_S)
        await socket.disconnect()


def _viewer():
    from importlib import import_module

    from django.apps import apps

    import_module("dashboard.migrations.0002_groups").make_groups(apps, None)
    person = User.objects.create_user("ada")
    person.groups.add(Group.objects.get(name="viewer"))
    client = Client()
    client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
    return client


def _socket(browser, path):
    cookies = "; ".join(f"{name}={morsel.value}" for name, morsel in browser.cookies.items())
    headers = [(b"cookie", cookies.encode()), (b"host", b"testserver"), (b"origin", b"http://testserver")]
    return WebsocketCommunicator(application, path, headers=headers)
