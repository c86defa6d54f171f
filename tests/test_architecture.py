"""The rooms of the house and which of them may know which; proxy/DESIGN.md has the table."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("dpmp_site", "proxy", "dashboard")

# What the pure core never sees: it gets time, randomness and bytes handed in.
IMPURE = {"asyncio", "socket", "threading", "time", "random", "logging", "django", "channels", "uvloop", "daphne"}

# Room -> our own modules that its files may import. A room may always import itself.
MAY_IMPORT = {
    "proxy.core": set(),
    "proxy.conf": {"proxy.core", "proxy.models"},
    "proxy.sinks": {"proxy.core", "proxy.models"},
    "proxy.runtime": {"proxy.core", "proxy.sinks", "proxy.conf", "dpmp_site.asgi"},
    "proxy.models": {"proxy.core"},
    # The errors are what framing and codec raise; tasks is where tasks are born. Its arithmetic is its own.
    "proxy.simulator": {
        "proxy.core.stratum.framing", "proxy.core.stratum.codec", "proxy.core.errors", "proxy.runtime.tasks",
    },
    "proxy.services": {
        "proxy.core", "proxy.runtime", "proxy.sinks", "proxy.conf", "proxy.models", "dpmp_site.hosts",
        "dpmp_site.bootstrap",
    },
    "proxy.admin": {"proxy.core", "proxy.sinks", "proxy.conf", "proxy.models", "proxy.services"},
    "dashboard": {"proxy.core", "proxy.sinks", "proxy.conf", "proxy.models", "proxy.services"},
}


def modules() -> Iterator[tuple[str, Path]]:
    """The dotted name and path of every module of ours."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            if "migrations" not in parts:
                yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


MODULES = dict(modules())


def tree(name: str) -> ast.Module:
    return ast.parse(MODULES[name].read_text(encoding="utf-8"))


def imports(name: str) -> set[str]:
    """Every module that ``name`` imports, also inside functions; ``from a import b`` counts as a.b if that is one."""
    found = set()
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = absolute(name, node)
            found |= {f"{base}.{alias.name}" if f"{base}.{alias.name}" in MODULES else base for alias in node.names}
    return found


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


@pytest.mark.parametrize("room", sorted(MAY_IMPORT))
def test_room_imports_only_the_rooms_below_it(room):
    allowed = MAY_IMPORT[room] | {room}
    wrong = [
        f"{name} imports {imported}"
        for name in MODULES
        if is_within(name, room)
        for imported in sorted(imports(name))
        if is_ours(imported) and imported != "proxy" and not any(is_within(imported, other) for other in allowed)
    ]
    assert not wrong, "\n".join(wrong)


def test_core_imports_nothing_that_touches_the_world():
    wrong = [
        f"{name} imports {imported}"
        for name in MODULES
        if is_within(name, "proxy.core")
        for imported in sorted(imports(name))
        if imported.split(".")[0] in IMPURE
    ]
    assert not wrong, "\n".join(wrong)


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
    wrong = [
        f"{name}:{line}" for name in MODULES if name != "proxy.runtime.tasks" for line in naked_tasks(tree(name))
    ]
    assert not wrong, "use proxy.runtime.tasks.spawn: " + ", ".join(wrong)
