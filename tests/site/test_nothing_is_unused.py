"""Everything that the product defines is used by the product: what only tests use, or nobody, goes."""

import ast
import re
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.test_architecture import MODULES, ROOT, absolute, tree

pytestmark = pytest.mark.no_cover

TEXT_OF = {name: path.read_text(encoding="utf-8") for name, path in MODULES.items()}
WORD = re.compile(r"[A-Za-z_]\w*")
SIMULATOR = "proxy.simulator"
"""Pools and miners for tests: what they can do is there for the tests."""

CALLED_BY_FRAMEWORKS = {
    # asyncio's protocols, Django's admin, forms and path converters, Channels' consumers
    "eof_received",
    "pause_writing",
    "get_fields",
    "get_object",
    "response_add",
    # django-allauth's adapters and forms
    "is_open_for_signup",
    "pre_authenticate",
    "get_client_ip",
    "post_login",
    "respond_user_inactive",
    "get_totp_label",
    "build_totp_svg",
    "get_public_key_credential_rp_entity",
    "generate_authenticator_name",
    "list_apps",
    "get_connect_redirect_url",
    "on_authentication_error",
    "pre_social_login",
    "get_provider",
    "openid_config",
    "oauth2_adapter_class",
    "get_callback_url",
    "get_access_token_data",
    "parse_token",
    "complete_login",
    "get_default_scope",
    "stash_redirect_state",
    "extract_uid",
    "extract_extra_data",
    "_get_state",
    "get_fieldsets",
    # django-ninja's own classes
    "parse_body",
    "get_openapi_operation_id",
    "get_readonly_fields",
    "clean_address",
    "clean_host",
    "clean_zone",
    "to_url",
    "live_tick",
    "app_name",
}
FOR_THE_TESTS = {
    "set_wall",  # of the virtual clock, which ``simulate`` uses as well
}


def all_words() -> Counter[str]:
    """How often each word stands in the product."""
    words: Counter[str] = Counter()
    for name, text in TEXT_OF.items():
        words.update(WORD.findall(text))
        if MODULES[name].name == "__init__.py":  # that a package hands a name on is no use of it
            imports = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom)]
            words.subtract(alias.name for node in imports for alias in node.names)
    for path in (ROOT / "manage.py", *(ROOT / "templates").rglob("*.html"), *(ROOT / "dashboard/static").rglob("*.js")):
        words.update(WORD.findall(path.read_text(encoding="utf-8")))
    return words


def definitions(tree: ast.Module) -> Iterator[str]:
    """Functions, methods and classes that no decorator registers, and the module's own constants."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            plain = all(isinstance(each, ast.Name) for each in node.decorator_list)  # as in @property, @classmethod
            if plain and not (isinstance(node, ast.ClassDef) and node.decorator_list):
                yield node.name
    for statement in tree.body:
        targets = statement.targets if isinstance(statement, ast.Assign) else []
        targets = [statement.target] if isinstance(statement, ast.AnnAssign) else targets
        yield from (target.id for target in targets if isinstance(target, ast.Name))


def test_nothing_is_defined_that_nobody_uses() -> None:
    words = all_words()
    unused = [
        f"{name}: {defined}"
        for name, text in TEXT_OF.items()
        if not name.startswith((SIMULATOR, "dpmp_site.settings")) and ".migrations." not in name
        for defined in definitions(ast.parse(text))
        if words[defined] == 1 and not defined.startswith("__") and defined not in CALLED_BY_FRAMEWORKS | FOR_THE_TESTS
    ]
    assert not unused


FOUND_BY_DJANGO = ("dashboard.apps", "dashboard.models", "dpmp_site.apps", "dpmp_site.settings", "proxy.apps")
"""Modules whose names Django looks for by itself."""
STARTED_BY_NAME = {"app_name", "urlpatterns", "Command", "installed"}
"""By Django, and by the wheel's command."""


def names_at(module: str) -> set[str]:
    """What a module names at its top, but for what a decorator registers."""
    found = set()
    for node in tree(module).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.decorator_list:
            found.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {target.id for target in targets if isinstance(target, ast.Name)}
    return found


def uses_in(module: str) -> Iterator[tuple[str, str]]:
    """Module and name of what ``module`` reads: its own names, those that it imports, and those it names in a text."""
    modules = {}
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.ImportFrom):
            source = absolute(module, node)
            for alias in node.names:
                if f"{source}.{alias.name}" in MODULES:
                    modules[alias.asname or alias.name] = f"{source}.{alias.name}"
                elif MODULES[module].name != "__init__.py":  # else it is handed on: see ``handed_on``
                    yield source, alias.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            yield module, node.id
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            source, _, name = node.value.rpartition(".")
            yield source, name
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
            yield modules[node.value.id], node.attr


def handed_on(package: str) -> dict[str, str]:
    """Names that a package imports, and the module that each is of."""
    imports = [node for node in tree(package).body if isinstance(node, ast.ImportFrom)]
    return {alias.name: absolute(package, node) for node in imports for alias in node.names}


def test_no_module_names_what_nothing_reads() -> None:
    used = {use for module in MODULES for use in uses_in(module)}
    for package in [module for module, path in MODULES.items() if path.name == "__init__.py"]:
        used |= {(source, name) for name, source in handed_on(package).items() if (package, name) in used}
    assert not [
        f"{module}: {name}"
        for module in MODULES
        if not module.startswith((SIMULATOR, *FOUND_BY_DJANGO))
        for name in names_at(module)
        if (module, name) not in used and name not in STARTED_BY_NAME and not name.startswith("__")
    ]
