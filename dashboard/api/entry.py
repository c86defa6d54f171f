"""The one way into the API: finds out who calls and hands over to the operations, which the first call loads.

A session is no token: a foreign page can make a browser send its cookies, but no Authorization header, so nothing here
needs a CSRF token.
"""

import hashlib

from django.db import DatabaseError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import Resolver404, resolve
from django.utils import translation
from django.utils.cache import get_conditional_response
from django.utils.http import quote_etag
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET

from dashboard.access import SEE, needs
from dashboard.api.callers import caller_of
from dashboard.api.gate import CHALLENGE, NO_DATABASE, NO_TOKEN
from dashboard.api.problems import CONTENT_TYPE, problem
from dashboard.api.shown import shown_to
from dpmp_site.hosts import client_address

OPERATIONS = "dashboard.api.urls"
LANGUAGE = "en"
"""Programs read the texts too: they are the same whatever a caller's library sends as its language."""


@require_GET
@needs(SEE)
def about(request: HttpRequest) -> HttpResponseBase:
    """The page about the API: its operations, to be tried with a token."""
    return render(request, "dashboard/api.html")


@require_GET
@needs(SEE)
def schema(request: HttpRequest) -> HttpResponseBase:
    """The OpenAPI document."""
    from dashboard.api.v1 import openapi

    return HttpResponse(openapi(), content_type="application/json")


@csrf_exempt
def entry(request: HttpRequest, rest: str) -> HttpResponseBase:
    """One call of the API."""
    try:
        caller = caller_of(request.headers.get("Authorization", ""), client_address(request))
    except DatabaseError:
        return problem(503, NO_DATABASE, headers={"Retry-After": "5"})
    if caller is None:
        return problem(401, NO_TOKEN, headers={"WWW-Authenticate": CHALLENGE})
    if request.method == "HEAD":
        request.method = "GET"  # the server leaves the body out
    request.api_caller = caller  # type: ignore[attr-defined]
    with shown_to(caller.access), translation.override(LANGUAGE):
        response = _answer(request, rest)
    response.headers.setdefault("Content-Language", LANGUAGE)
    response.headers.setdefault("Cache-Control", "private, no-cache")
    response["Vary"] = "Authorization"
    return response


def _answer(request: HttpRequest, rest: str) -> HttpResponseBase:
    try:
        operation = resolve(f"/{rest}", OPERATIONS)
    except Resolver404:
        return problem(404, "There is no such address; /api/v1/ lists all.")
    try:
        response = operation.func(request, *operation.args, **operation.kwargs)
    except Http404:
        return problem(404, "There is no such thing.")
    if not isinstance(response, HttpResponse):
        return response
    if response.status_code >= 400 and response.headers.get("Content-Type") != CONTENT_TYPE:
        allow = {"Allow": response["Allow"]} if "Allow" in response else {}
        return problem(response.status_code, response.reason_phrase, headers=allow)
    if request.method == "GET" and response.status_code == 200:
        etag = quote_etag(hashlib.sha256(response.content).hexdigest()[:32])
        response["ETag"] = etag
        return get_conditional_response(request, etag=etag, response=response) or response
    return response
