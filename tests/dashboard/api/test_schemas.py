"""The schema as a contract: no text escapes redaction, no field is without its unit."""

import json
import re
import typing

from ninja import Schema

from dashboard.api import values
from dashboard.api.schemas import history, live, money, schedules, steering
from dashboard.api.v1 import openapi

PLAIN = {
    "cause", "chain", "currency", "day_utc", "detail", "event", "extranonce1_hex", "fate", "group", "hash_hex",
    "health", "kind", "level", "may", "mode", "name", "next_cursor", "node", "nodes", "origin", "person", "policy",
    "pool", "role", "source", "span", "state", "strategy", "time_zone", "title", "verdict", "version",
    "version_mask_hex",
}  # fmt: skip
"""Fields of text whose values the program itself makes, or that only roles see which may see wallets."""


def models():
    return [
        each
        for module in (values, live, steering, schedules, history, money)
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, Schema) and each not in (Schema, values.Strict)
    ]


def parts(kind):
    """All types in an annotation."""
    yield kind
    for each in typing.get_args(kind):
        if not isinstance(each, str):
            yield from parts(each)


def test_every_text_of_an_answer_is_hidden_from_whom_it_should_or_is_the_programs_own():
    for model in models():
        if issubclass(model, values.Strict):
            continue
        for name, kind in typing.get_type_hints(model, include_extras=True).items():
            if kind is str or kind == str | None or kind == list[str]:
                assert name in PLAIN, f"{model.__name__}.{name}: make it a Text, or list it here"


def test_names_of_numbers_say_their_units():
    unit = re.compile(
        r"_(s|ms|percent|bytes|difficulty|unix_s|per_s|per_min|probability|by_pool|by_reason|5m|1h|24h"
        r"|w|celsius|per_th|accepted_th|per_day|coins|amount|blocks)$|^hashes_per_s$"
    )
    counts = {
        "accepted", "rejected", "stale", "duplicate", "unanswered", "connections", "workers", "miners", "jobs",
        "height", "excluded_miners", "revision", "switches", "blocks", "difficulty", "weights", "weight", "session",
        "id", "confirmations", "priority", "schedule_id", "status", "hours", "days", "work_only", "shared_connections",
        "shared_miners", "waiting_for_place", "config_revision", "amount",
    }  # fmt: skip
    for model in models():
        for name, kind in typing.get_type_hints(model).items():
            if {int, float} & set(parts(kind)):
                assert unit.search(name) or name in counts, f"{model.__name__}.{name}"


def test_the_document_names_what_each_operation_takes():
    document = json.loads(openapi())
    assert document["paths"]["/api/v1/override/weights"]["put"]["security"] == [{"Token": ["see", "steer"]}]
    names = [one["operationId"] for each in document["paths"].values() for one in each.values()]
    assert len(names) == len(set(names))
    assert "Problem" in document["components"]["schemas"]
