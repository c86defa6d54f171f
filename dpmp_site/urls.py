"""Addresses: the admin, login and logout, and the dashboard for the rest."""

from django.contrib import admin
from django.contrib.auth import views as auth_views
from django.templatetags.static import static
from django.urls import include, path
from django.views.generic import RedirectView

from dashboard.access import no_account_yet

urlpatterns = [
    path("favicon.ico", RedirectView.as_view(url=static("dashboard/icon.svg"))),
    path("admin/", admin.site.urls),
    path("login/", auth_views.LoginView.as_view(
        redirect_authenticated_user=True, extra_context={"no_account_yet": no_account_yet}), name="login"),
    path("logout/", auth_views.LogoutView.as_view(), name="logout"),
    path("i18n/", include("django.conf.urls.i18n")),
    path("", include("proxy.urls")),
    path("", include("dashboard.urls")),
]
