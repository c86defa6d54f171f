"""Pages without characters that turn the reading order: whoever types a wrong login chooses what a page lists."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from proxy.text import escape_in_page


class VisibleTextMiddleware:
    """Escapes them in each HTML page, wherever its texts came from."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self._get_response(request)
        if isinstance(response, HttpResponse) and response.headers.get("Content-Type", "").startswith("text/html"):
            page = response.content
            if not page.isascii():
                response.content = escape_in_page(page.decode(response.charset)).encode(response.charset)
        return response
