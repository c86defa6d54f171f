"""Addresses for monitoring."""

from django.urls import path

from proxy.views import healthz, readyz

app_name = "proxy"
urlpatterns = [
    path("healthz", healthz, name="healthz"),
    path("readyz", readyz, name="readyz"),
]
