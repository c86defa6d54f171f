"""Addresses: the admin, logins, and the dashboard for the rest."""

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponseBase
from django.templatetags.static import static
from django.urls import include, path
from django.views.generic import RedirectView


def no_page_on_site(request: HttpRequest, rest: str) -> HttpResponseBase:
    """Django's way from a row of the admin to its page on the site: no row here has one, and without a domain for the
    site it fails."""
    raise Http404


urlpatterns = [
    path("favicon.ico", RedirectView.as_view(url=static("dashboard/icon.svg"))),
    path("admin/r/<path:rest>", no_page_on_site),
    path("admin/", admin.site.urls),
    path("", include("dpmp_site.account_urls")),
    path("i18n/", include("django.conf.urls.i18n")),
    path("", include("proxy.urls")),
    path("", include("dashboard.urls")),
]
