"""What the proxy says in English is on the pages in the reader's language; the log, the API and alerts keep it."""

import ast
import pickle
import re
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from django.conf import settings
from django.utils import translation

from dashboard import live
from dashboard.access import SEE, WALLETS, Access
from dashboard.said import LONGEST, said
from proxy.nodes import live_codec
from proxy.nodes.merge import merge
from proxy.observe.live.views import Alarm
from proxy.sentence import Sentence, sentence
from tests.dashboard.fixtures import balance, rich
from tests.support.node_snapshots import a_node

SOURCES = sorted((Path(settings.BASE_DIR) / "proxy").rglob("*.py"))
FIELD = re.compile(r"{[^}]*}")
USED_UP = sentence("the {points:g} points allowed in an hour are used up", points=2.5)


@pytest.fixture(params=["de", "es"])
def language(request):
    with translation.override(request.param):
        yield request.param


@pytest.fixture
def german():
    with translation.override("de"):
        yield


def test_a_sentence_is_its_english_text_and_goes_everywhere_as_one():
    text = "Stayed at BTC 60 %: the 2.5 points allowed in an hour are used up."
    made = sentence("Stayed at {parts}: {why}.", parts="BTC 60 %", why=USED_UP)
    assert made == text and hash(made) == hash(text)
    assert orjson.loads(orjson.dumps({"reason": made})) == {"reason": text}
    again = pickle.loads(pickle.dumps(made))
    assert (again, again.template, again.values) == (text, made.template, made.values)


def test_a_text_that_is_a_sentence_stays_the_one_it_is():
    assert Sentence.of(USED_UP) is USED_UP
    assert (Sentence.of("plain"), Sentence.of("plain").template) == ("plain", "plain")


def test_a_sentence_within_a_sentence_and_its_numbers_are_those_of_the_language(german):
    made = sentence("Stayed at {parts}: {why}.", parts="BTC 60 %", why=USED_UP)
    assert said(made) == "Bei BTC 60 % geblieben: die 2,5 Punkte, die in einer Stunde erlaubt sind, sind verbraucht."


def test_a_text_without_values_is_found_as_it_stands_and_another_is_left_alone(german):
    assert said("Connection refused") == "Verbindung abgewiesen"
    assert said(sentence("No pool is up.")) == "Kein Pool läuft."
    assert said("what a pool wrote {why}") == "what a pool wrote {why}"
    assert said("") == ""
    assert said("x" * (LONGEST + 1)) == "x" * (LONGEST + 1)


def test_what_others_wrote_is_neither_translated_nor_taken_for_a_template(german):
    made = sentence("{pool} is down: {why}", pool="No pool is up.", why="{pool} {why:9999d} {0.__class__}")
    assert said(made) == "No pool is up. ist ausgefallen: {pool} {why:9999d} {0.__class__}"


def test_no_format_of_pythons_is_obeyed_but_those_that_our_sentences_have(german):
    assert said(Sentence("text", "{a.__class__} {a:99999d} {b}", {"a": 1})) == "{a.__class__} {a:99999d} {b}"


def _calls():
    """The calls of ``sentence`` in the proxy's code."""
    for path in SOURCES:
        text = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(text)) if "sentence" in text else ():
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "sentence":
                yield f"{path.name}:{node.lineno}", node.args[0]


@pytest.mark.no_cover
def test_every_template_is_a_literal_that_makemessages_finds_and_is_there_in_each_language(language):
    templates = {}
    for where, template in _calls():
        assert isinstance(template, ast.Constant), where
        templates[template.value] = where
    assert len(templates) > 80
    for template, where in templates.items():
        translated = translation.gettext(template)
        assert sorted(FIELD.findall(translated)) == sorted(FIELD.findall(template)), where
        words = FIELD.sub("", template)
        assert translated != template or not re.search(r"[a-z]{3}", words), f"{where}: {template}"


def test_the_alarm_of_another_node_is_said_in_the_language_of_the_page():
    why = sentence("no connection within {limit:.0f} s", limit=10.0)
    alarm = Alarm(level="bad", text=sentence("{pool} is down: {why}", pool="Solo CK", why=why))
    heard = [live_codec.decode(live_codec.encode(a_node(name, alarms=(alarm,)))) for name in ("a", "b")]
    snap = merge({node.name: node for node in heard})
    assert snap is not None
    page = live.Renderings().get("alarms", Access(frozenset({SEE, WALLETS})), "de", snap).html
    assert "Solo CK ist ausgefallen: keine Verbindung in 10 s" in page


def test_alarms_and_auto_balance_are_said_in_the_language_of_the_page():
    alarm = Alarm(level="bad", text=sentence("{pool} is down: {why}", pool="Solo CK", why=Sentence("No pool is up.")))
    view = replace(balance(), decision=sentence("Moved to {parts}.", parts="BTC 60 %, BCH 40 %"))
    snap = replace(rich(), alarms=(alarm,), extra={"balance": view})
    for language, down, moved in (
        ("de", "Solo CK ist ausgefallen: Kein Pool läuft.", "Geändert auf BTC 60 %, BCH 40 %."),
        ("en", "Solo CK is down: No pool is up.", "Moved to BTC 60 %, BCH 40 %."),
    ):
        shown = live.Renderings()
        access = Access(frozenset({SEE, WALLETS}))
        assert down in shown.get("alarms", access, language, snap).html
        assert moved in shown.get("auto", access, language, snap).html
