"""Errors as ``application/problem+json`` (RFC 9457), for answers of Django and of the gate before it."""

import json
from collections.abc import Mapping
from http import HTTPStatus

from django.http import HttpResponse

CONTENT_TYPE = "application/problem+json"


def body(status: int, detail: str, **more: object) -> bytes:
    """The JSON of a problem; ``type`` is left out, which means: what the status says."""
    said = {"title": HTTPStatus(status).phrase, "status": status, "detail": detail, **more}
    return json.dumps(said).encode()


def problem(
    status: int, detail: str, *, headers: Mapping[str, str] | None = None, errors: object = None
) -> HttpResponse:
    """The answer for Django; ``errors``: what is wrong in which part of the request."""
    more = {} if errors is None else {"errors": errors}
    response = HttpResponse(body(status, detail, **more), status=status, content_type=CONTENT_TYPE)
    for name, value in (headers or {}).items():
        response[name] = value
    return response
