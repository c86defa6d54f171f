"""The law of the house: which modules are pure, and which folder may import which. docs/dev/map.md draws it."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

pytestmark = pytest.mark.no_cover

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("dpmp_site", "proxy", "dashboard")

# What a pure module never sees: it gets time, randomness and bytes handed in.
IMPURE = {"asyncio", "socket", "threading", "time", "random", "logging", "django", "channels", "uvloop", "daphne"}

PURE = {
    "proxy.types",
    "proxy.errors",
    "proxy.ports",
    "proxy.text",
    "proxy.sentence",
    "proxy.peer_address",
    "proxy.in_parts",
    "proxy.observe.events",
    "proxy.stratum",
    "proxy.engine",
    "proxy.scheduling",
    "proxy.chains",
    "proxy.config.diff",
    "proxy.config.snapshot",
    "proxy.config.validate",
    "proxy.config.importers.document",
    "proxy.config.importers.farm_formats",
    "proxy.config.importers.v2_format",
    "proxy.history.accounting",
    "proxy.history.counters",
    "proxy.history.effort",
    "proxy.history.latency",
    "proxy.history.new_names",
    "proxy.history.accumulators",
    "proxy.history.rates",
    "proxy.history.records",
    "proxy.history.split",
    "proxy.history.switch_cost",
    "proxy.history.tallies",
    "proxy.balance.auto_balance",
    "proxy.balance.balance_view",
    "proxy.balance.decision",
    "proxy.balance.evidence",
    "proxy.balance.observed",
    "proxy.balance.readings",
    "proxy.balance.statistics",
    "proxy.balance.strategies",
    "proxy.alerts.alert_engine",
    "proxy.alerts.calendar",
    "proxy.alerts.evaluators",
    "proxy.alerts.incidents",
    "proxy.alerts.outbox",
    "proxy.alerts.rules",
    "proxy.alerts.texts",
    "proxy.alerts.web_push",
    "proxy.devices.axeos",
    "proxy.devices.cgminer",
    "proxy.devices.facts",
    "proxy.devices.networks",
    "proxy.devices.views",
    "proxy.mqtt.commands",
    "proxy.mqtt.discovery",
    "proxy.mqtt.outgoing",
    "proxy.mqtt.states",
    "proxy.mqtt.topics",
    "proxy.nodes.live_codec",
    "proxy.nodes.merge",
    "proxy.nodes.node_snapshot",
    "proxy.updates.releases",
    "proxy.nodes.identity",
    "proxy.nodes.lease",
    "proxy.money.income",
    "proxy.money.power",
    "proxy.money.prices",
    "proxy.whatif.plan",
    "proxy.whatif.replay",
    "proxy.observe.live.moves",
    "proxy.observe.live.views",
    "proxy.observe.live.worker_health",
    "proxy.net.free_time",
    "proxy.net.timer_wheel",
    "proxy.net.proxy_header",
}
"""Modules and packages without asyncio, Django, threads, clock or randomness; they import only each other."""

BASE = {
    "proxy.types",
    "proxy.errors",
    "proxy.ports",
    "proxy.text",
    "proxy.sentence",
    "proxy.peer_address",
    "proxy.in_parts",
    "proxy.observe.events",
}

# Folder -> our own modules that its files may import beside BASE and itself.
MAY_IMPORT = {
    "proxy.types": set(),
    "proxy.errors": set(),
    "proxy.ports": {"proxy.config.snapshot"},
    "proxy.text": set(),
    "proxy.sentence": set(),
    "proxy.peer_address": set(),
    "proxy.in_parts": set(),
    "proxy.observe.events": set(),
    "proxy.stratum": set(),
    "proxy.scheduling": {"proxy.config.snapshot"},
    "proxy.engine": {"proxy.chains", "proxy.config.diff", "proxy.config.snapshot", "proxy.scheduling", "proxy.stratum"},
    "proxy.chains": {"proxy.config.snapshot", "proxy.stratum"},
    "proxy.config": {
        "proxy.alerts",
        "proxy.chains.addresses",
        "proxy.engine.worker_names",
        "proxy.models",
        "proxy.stratum.firmware",
    },
    "proxy.history": {"proxy.chains", "proxy.config", "proxy.models", "proxy.nodes.lease", "proxy.scheduling"},
    "proxy.balance": {
        "proxy.chains",
        "proxy.config",
        "proxy.history.locks",
        "proxy.models",
        "proxy.net",
        "proxy.nodes.lease",
        "proxy.stratum",
    },
    "proxy.alerts": {
        "proxy.config",
        "proxy.devices",
        "proxy.models",
        "proxy.net.http_client",
        "proxy.nodes.lease",
        "proxy.observe.live",
    },
    "proxy.money": {"proxy.balance", "proxy.chains", "proxy.models"},
    "proxy.mqtt": {
        "proxy.balance.balance_view",
        "proxy.config.snapshot",
        "proxy.devices.views",
        "proxy.models",
        "proxy.net.service_switch",
        "proxy.net.tasks",
        "proxy.observe.live",
        "proxy.ops.steering",
    },
    "proxy.devices": {
        "proxy.config.snapshot",
        "proxy.config.watcher",
        "proxy.engine.worker_names",
        "proxy.models",
        "proxy.net.http_client",
        "proxy.net.service_switch",
        "proxy.net.tasks",
        "proxy.observe.live",
    },
    "proxy.updates": {"proxy.net.http_client", "proxy.nodes.lease"},
    "proxy.nodes": {
        "proxy.balance.balance_view",
        "proxy.config",
        "proxy.history.counters",
        "proxy.history.switch_cost",
        "proxy.models",
        "proxy.net.tasks",
        "proxy.observe",
        "proxy.updates.releases",
    },
    "proxy.whatif": {
        "proxy.balance",
        "proxy.config.snapshot",
        "proxy.models",
        "proxy.money.facts",
        "proxy.scheduling",
        "proxy.stratum.difficulty",
    },
    "proxy.observe.log": {"proxy.config"},
    "proxy.observe.metrics": {"proxy.history.counters", "proxy.history.switch_cost"},
    "proxy.observe.live": {
        "proxy.alerts.texts",
        "proxy.balance",
        "proxy.chains",
        "proxy.config",
        "proxy.devices.views",
        "proxy.engine",
        "proxy.history",
        "proxy.observe.metrics",
        "proxy.scheduling",
        "proxy.stratum",
    },
    "proxy.net": {"proxy.config"},
    "proxy.models": {
        "proxy.alerts",
        "proxy.balance.balance_view",
        "proxy.chains.addresses",
        "proxy.config.snapshot",
        "proxy.devices.facts",
        "proxy.devices.networks",
        "proxy.history.counters",
        "proxy.stratum.firmware",
    },
    # The errors are what framing and codec raise; tasks is where tasks are born. Its arithmetic is its own.
    "proxy.simulator": {"proxy.stratum.framing", "proxy.stratum.codec", "proxy.net.tasks"},
    "proxy.ops": {
        "proxy.chains",
        "proxy.config",
        "proxy.engine",
        "proxy.history",
        "proxy.models",
        "proxy.net",
        "proxy.observe",
        "proxy.scheduling",
        "proxy.stratum",
    },
    "proxy.admin": {
        "proxy.alerts",
        "proxy.balance",
        "proxy.config",
        "proxy.history",
        "proxy.models",
        "proxy.observe",
        "proxy.ops",
        "proxy.scheduling",
    },
    "dashboard": {
        "dpmp_site.hosts",
        "dpmp_site.oidc_client",
        "proxy.admin",
        "proxy.alerts.rules",
        "proxy.alerts.sending",
        "proxy.alerts.web_push",
        "proxy.balance",
        "proxy.chains",
        "proxy.config",
        "proxy.devices",
        "proxy.history.counters",
        "proxy.history.rates",
        "proxy.history.split",
        "proxy.models",
        "proxy.money",
        "proxy.mqtt.connection",
        "proxy.nodes.node_rows",
        "proxy.observe",
        "proxy.ops",
        "proxy.scheduling",
        "proxy.stratum.firmware",
        "proxy.updates.releases",
        "proxy.whatif",
    },
}


def modules() -> Iterator[tuple[str, Path]]:
    """The dotted name and path of every module of ours."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            if "migrations" not in parts:
                yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


MODULES = dict(modules())


@cache
def tree(name: str) -> ast.Module:
    return ast.parse(MODULES[name].read_text(encoding="utf-8"))


@cache
def imports(name: str) -> frozenset[str]:
    """Every module that ``name`` imports, also inside functions; ``from a import b`` counts as a.b if that is one."""
    found = set()
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = absolute(name, node)
            found |= {f"{base}.{alias.name}" if f"{base}.{alias.name}" in MODULES else base for alias in node.names}
    return frozenset(found)


def absolute(name: str, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    package = name.split(".") if MODULES[name].name == "__init__.py" else name.split(".")[:-1]
    base = package[: len(package) - node.level + 1]
    return ".".join([*base, node.module] if node.module else base)


def is_within(name: str, room: str) -> bool:
    return name == room or name.startswith(f"{room}.")


def is_ours(name: str) -> bool:
    return any(is_within(name, package) for package in PACKAGES)


@pytest.mark.parametrize("folder", sorted(MAY_IMPORT))
def test_folder_imports_only_what_it_may(folder):
    allowed = (
        MAY_IMPORT[folder] | BASE | {folder} if folder not in BASE else MAY_IMPORT[folder] | {folder, "proxy.types"}
    )
    wrong = [
        f"{name} imports {imported}"
        for name in MODULES
        if owner(name) == folder
        for imported in sorted(imports(name))
        if is_ours(imported) and imported != "proxy" and not any(is_within(imported, other) for other in allowed)
    ]
    assert not wrong, "\n".join(wrong)


def owner(name: str) -> str:
    """The entry of ``MAY_IMPORT`` that rules ``name``: the longest one it lies in."""
    return max((folder for folder in MAY_IMPORT if is_within(name, folder)), key=len, default="")


def is_pure(name: str) -> bool:
    return any(is_within(name, pure) for pure in PURE)


def test_pure_modules_touch_nothing_of_the_world():
    wrong = [
        f"{name} imports {imported}"
        for name in MODULES
        if is_pure(name)
        for imported in sorted(imports(name))
        if imported.split(".")[0] in IMPURE
    ]
    assert not wrong, "\n".join(wrong)


def test_pure_modules_import_only_pure_modules():
    wrong = [
        f"{name} imports {imported}"
        for name in MODULES
        if is_pure(name)
        for imported in sorted(imports(name))
        if is_ours(imported) and imported != "proxy" and imported not in PACKAGE_FACES and not is_pure(imported)
    ]
    assert not wrong, "\n".join(wrong)


# Packages of a feature whose __init__ only hands names of their pure half on.
PACKAGE_FACES = {"proxy.history", "proxy.config"}


@pytest.mark.parametrize("face", sorted(PACKAGE_FACES))
def test_a_package_face_hands_on_only_what_is_pure(face):
    assert not [imported for imported in imports(face) if is_ours(imported) and not is_pure(imported)]


def test_every_module_of_the_proxy_is_ruled():
    free = {
        "proxy",
        "proxy.apps",
        "proxy.checks",
        "proxy.node",
        "proxy.process",
        "proxy.signals",
        "proxy.urls",
        "proxy.views",
        "proxy.web_node",
        "proxy.observe",
    }
    assert not [
        name
        for name in MODULES
        if is_within(name, "proxy") and name not in free and not is_within(name, "proxy.management") and not owner(name)
    ]


def test_nothing_of_the_proxy_imports_the_dashboard():
    wrong = [
        f"{name} imports {imported}"
        for name in MODULES
        if is_within(name, "proxy")
        for imported in sorted(imports(name))
        if is_within(imported, "dashboard")
    ]
    assert not wrong


def naked_tasks(module: ast.Module) -> Iterator[int]:
    """Lines that start a task neither through ``spawn`` nor in a TaskGroup of the same file."""
    groups = {
        item.optional_vars.id
        for node in ast.walk(module)
        if isinstance(node, ast.AsyncWith)
        for item in node.items
        if isinstance(item.optional_vars, ast.Name) and "TaskGroup" in ast.unparse(item.context_expr)
    }
    for node in ast.walk(module):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        owner = node.func.value
        in_group = isinstance(owner, ast.Name) and owner.id in groups
        if node.func.attr == "ensure_future" or (node.func.attr == "create_task" and not in_group):
            yield node.lineno


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("asyncio.create_task(f())", [1]),
        ("loop.create_task(f())", [1]),
        ("asyncio.ensure_future(f())", [1]),
        ("async def g():\n  async with asyncio.TaskGroup() as group:\n    group.create_task(f())", []),
        ("spawn(f(), name='f')", []),
    ],
)
def test_naked_tasks_are_recognised(source, lines):
    assert list(naked_tasks(ast.parse(source))) == lines


def test_every_task_is_born_in_a_group_or_through_spawn():
    starts = re.compile(r"\b(create_task|ensure_future)\b")
    wrong = [
        f"{name}:{line}"
        for name, path in MODULES.items()
        if name != "proxy.net.tasks" and starts.search(path.read_text(encoding="utf-8"))
        for line in naked_tasks(tree(name))
    ]
    assert not wrong, "use proxy.net.tasks.spawn: " + ", ".join(wrong)
