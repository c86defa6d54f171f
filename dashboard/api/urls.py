"""Addresses of the operations, below ``/api/v1/``; ``dashboard.api.entry`` looks them up with the first call."""

from django.urls import path

from dashboard.api.v1 import api

urlpatterns = [path("", api.urls)]
