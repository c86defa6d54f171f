"""The page of the MQTT broker: its settings, and a test of the connection before anything is saved."""

import asyncio
import threading

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from dashboard.access import ADMINISTER, SEE, needs
from dashboard.views.editing import settings_page
from proxy.admin.mqtt import MqttForm
from proxy.config.loader import mqtt_config
from proxy.models import MqttSettings
from proxy.mqtt.connection import try_broker

_tests = threading.BoundedSemaphore(1)
"""A test holds one of the few places that pages have."""


@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
@needs(SEE, ADMINISTER)
def mqtt(request: HttpRequest) -> HttpResponseBase:
    """The settings; they act as soon as they are saved."""
    form = MqttForm(request.POST or None, instance=MqttSettings.load())
    return settings_page(request, "dashboard/mqtt.html", form, about="MQTT", subject="host", back="mqtt")


@sensitive_post_parameters("password")
@require_POST
@needs(SEE, ADMINISTER)
def mqtt_test(request: HttpRequest) -> HttpResponseBase:
    """Connect to the broker that stands in the form."""
    form = MqttForm({**request.POST.dict(), "enabled": "on"}, instance=MqttSettings.load())
    outcome, problem = "", ""
    if not form.is_valid():
        problem = " ".join(str(text) for texts in form.errors.values() for text in texts)
    elif not _tests.acquire(blocking=False):
        problem = _("Another test is under way: try again in some seconds.")
    else:
        try:
            config = mqtt_config(form.save(commit=False))
            assert config is not None
            problem = asyncio.run(try_broker(config))
        finally:
            _tests.release()
        outcome = "" if problem else _("The broker works: connected, published and heard.")
    return render(request, "dashboard/_outcome.html", {"outcome": outcome, "problem": problem})
