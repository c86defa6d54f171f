"""Everything that the product defines is used by the product: what only tests use, or nobody, goes."""

import ast
import re
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.test_architecture import MODULES, ROOT

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
