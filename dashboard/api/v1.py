"""Version 1 of the API: its operations, and its errors as problems. Loaded with the first call, for it is large."""

import logging
import re
from typing import Any

import orjson
from django.core.exceptions import ValidationError as RuleBroken
from django.db import Error as DatabaseFault
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.constants import NOT_SET
from ninja.errors import HttpError, ValidationError
from ninja.operation import Operation
from ninja.parser import Parser

from dashboard.api import history_routes, live_routes, money_routes, schedule_routes, steering_routes
from dashboard.api.errors import Refused
from dashboard.api.gate import NO_DATABASE
from dashboard.api.problems import CONTENT_TYPE, problem
from dashboard.api.values import Problem
from proxy import VERSION

ROOT = "/api/v1"
_logger = logging.getLogger(__name__)
_faults = logging.getLogger("django.request")
"""Its errors become the log's ``session_error``, as those of pages do."""


class StrictParser(Parser):
    """Bodies by orjson: no NaN, and deep nesting is an error of the caller."""

    def parse_body(self, request: HttpRequest) -> Any:
        """The JSON of the body; raises ValueError."""
        return orjson.loads(request.body)


class Api(NinjaAPI):
    """Operations have the names of their functions, wherever these stand: they are part of the contract."""

    def get_openapi_operation_id(self, operation: Operation) -> str:
        """The name by which generated clients call it."""
        return operation.view_func.__name__


api = Api(
    title="DPMP",
    version=VERSION,
    description=(
        "What the pages show and do. Send a token as `Authorization: Bearer dpmp_...`; tokens are made under "
        "*Your account*. Rates are hashes a second, times unix seconds; units are in the names."
    ),
    urls_namespace="api-v1",
    openapi_url=None,
    docs_url=None,
    parser=StrictParser(),
)
ROUTERS = (
    live_routes.router,
    steering_routes.router,
    schedule_routes.router,
    history_routes.router,
    money_routes.router,
)
for router in ROUTERS:
    api.add_router("", router)


@api.exception_handler(Refused)
def refused(request: HttpRequest, error: Refused) -> HttpResponse:
    """An operation cannot do what it was asked."""
    return problem(error.status, error.detail)


@api.exception_handler(ValidationError)
def not_valid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    """A part of the request is not as the schema has it."""
    errors = [{"where": [str(part) for part in one["loc"]], "what": str(one["msg"])} for one in error.errors]
    return problem(422, "The request is not as the schema has it.", errors=errors[:50])


@api.exception_handler(RuleBroken)
def rule_broken(request: HttpRequest, error: RuleBroken) -> HttpResponse:
    """A rule of the configuration forbids it."""
    return problem(422, " ".join(error.messages))


@api.exception_handler(HttpError)
def by_status(request: HttpRequest, error: HttpError) -> HttpResponse:
    """What django-ninja refuses by itself, such as a body that is no JSON."""
    return problem(error.status_code, str(error))


@api.exception_handler(Http404)
def not_found(request: HttpRequest, error: Http404) -> HttpResponse:
    """There is no such pool, worker or schedule."""
    return problem(404, "There is no such thing.")


@api.exception_handler(OperationalError)
@api.exception_handler(InterfaceError)
def database_away(request: HttpRequest, error: DatabaseFault) -> HttpResponse:
    """The database is locked or gone."""
    _logger.warning("The database did not answer a call of the API: %s", error)
    return problem(503, NO_DATABASE, headers={"Retry-After": "5"})


@api.exception_handler(Exception)
def fault(request: HttpRequest, error: Exception) -> HttpResponse:
    """A fault of ours, with its traceback in the log."""
    _faults.error("A call of the API failed.", exc_info=error, extra={"request": request})
    return problem(500, "This is a fault of the program; its log has more.")


PROBLEMS = (400, 401, 403, 404, 405, 409, 422, 429, 503)
"""What each operation may answer beside its result."""


def needs() -> dict[tuple[str, str], frozenset[str]]:
    """(Method, path below the root) of each operation, and what a token must be allowed for it."""
    found = {}
    for router in ROUTERS:
        for path, view in router.path_operations.items():
            for operation in view.operations:
                token: Any = router.auth if operation.auth_param is NOT_SET else operation.auth_param
                for method in operation.methods:
                    found[method, path] = token.names
    return found


def openapi() -> bytes:
    """The OpenAPI document; the scopes of an operation are what the token must be allowed."""
    document = api.get_openapi_schema(path_prefix=f"{ROOT}/")
    document["components"]["schemas"]["Problem"] = Problem.model_json_schema()
    content = {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    scopes = {(method.lower(), f"{ROOT}{_plain(path)}"): sorted(names) for (method, path), names in needs().items()}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            operation["security"] = [{"Token": scopes[method, path]}]
            for status in PROBLEMS:
                operation["responses"].setdefault(status, {"description": "a problem", "content": content})
    return orjson.dumps(document, option=orjson.OPT_NON_STR_KEYS)


def _plain(path: str) -> str:
    """Without Django's converters."""
    return re.sub(r"{\w+:", "{", path)
