"""Addresses for monitoring."""

from django.urls import path

from proxy.views import healthz, metrics, readyz

app_name = "proxy"
urlpatterns = [
    path("healthz", healthz, name="healthz"),
    path("readyz", readyz, name="readyz"),
    path("metrics", metrics, name="metrics"),
]
