"""Whatever a file says that is imported: a sentence, or a configuration with which a proxy works. Never a traceback."""

import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction

from proxy.config.export import export_config
from proxy.config.loader import load_snapshot
from tests.fuzz.conftest import Fuzz, seeds
from tests.fuzz.mutation import Mutator
from tests.fuzz.world import FuzzedWorld

pytestmark = [pytest.mark.django_db, pytest.mark.no_cover]

CASES = 30

V4 = Path(__file__).parents[1] / "upgrade" / "data" / "export_4.0.0.json"


def made_of(documents: list[Any]) -> Callable[[str], str]:
    """Makes files: changed documents, seldom no JSON at all."""

    def make(seed: str) -> str:
        mutator = Mutator(seed)
        document = mutator.random.choice(documents)
        text = json.dumps(document if mutator.random.random() < 0.05 else mutator.document(document))
        return mutator.octets(text.encode()).decode("latin-1") if mutator.random.random() < 0.05 else text

    return make


def toml_of(value: Any) -> str:
    """A document as TOML, as far as it can be written so; mutated ones are not always."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(str(key))} = {toml_of(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(toml_of(each) for each in value) + "]"
    return json.dumps(value)


def toml_document(text: str) -> str:
    """What was made as JSON, as TOML; what is no object, as it is."""
    try:
        document = json.loads(text)
    except ValueError:
        return text
    if not isinstance(document, dict):
        return text
    return "\n".join(f"{json.dumps(str(key))} = {toml_of(value)}" for key, value in document.items())


def imported(text: str, folder: Path, name: str = "config_v2.json") -> None:
    """Import it for good, load it, export it, apply it to an engine at work, and take it back."""
    path = folder / name
    path.write_text(text, encoding="latin-1", errors="replace")
    with transaction.atomic():
        try:
            call_command("importconfig", str(path), stdout=StringIO())
        except CommandError as refused:
            assert str(refused)
        else:
            export_config()
            world = FuzzedWorld()
            world.engine.apply(load_snapshot())
            world.advance(60)
            world.look()
        transaction.set_rollback(True)


def test_no_file_of_v2_is_a_traceback(fuzz: Fuzz, tmp_path: Path) -> None:
    fuzz(made_of(seeds("v2")), lambda text: imported(text, tmp_path), CASES)


def test_no_export_is_a_traceback_and_what_is_taken_runs(fuzz: Fuzz, tmp_path: Path) -> None:
    documents = [json.loads(V4.read_text()), *seeds("export")]
    fuzz(made_of(documents), lambda text: imported(text, tmp_path), CASES)


def test_no_file_of_an_agent_is_a_traceback(fuzz: Fuzz, tmp_path: Path) -> None:
    fuzz(made_of(seeds("agent")), lambda text: imported(text, tmp_path), CASES)


def test_no_profile_of_a_farm_proxy_is_a_traceback(fuzz: Fuzz, tmp_path: Path) -> None:
    make = made_of(seeds("farmproxy"))
    fuzz(lambda seed: toml_document(make(seed)), lambda text: imported(text, tmp_path, "profile.toml"), CASES)


def test_found_files_are_no_traceback(tmp_path: Path) -> None:
    for document in [*seeds("v2"), *seeds("export"), *seeds("agent")]:
        imported(json.dumps(document), tmp_path)
    for document in seeds("farmproxy"):
        imported(toml_document(json.dumps(document)), tmp_path, "profile.toml")
