"""The connection to the broker, as the settings say; the library is loaded where it is on, only then."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from proxy.config.snapshot import MqttConfig
from proxy.net.service_switch import ServiceSwitch
from proxy.net.tasks import Report
from proxy.observe.events import EventStream
from proxy.observe.live.views import LiveSnapshot
from proxy.ports import Clock

if TYPE_CHECKING:
    from proxy.mqtt.service import MqttService


def mqtt_switch(
    *, clock: Clock, events: EventStream, snapshot: Callable[[], Awaitable[LiveSnapshot | None]], report: Report
) -> "ServiceSwitch[MqttConfig, MqttService]":
    """Off until a configuration is applied; the broker hears that the proxy is offline before a connection ends."""

    def make(config: MqttConfig) -> "MqttService":
        from proxy.mqtt.service import MqttService

        return MqttService(config, clock=clock, events=events, snapshot=snapshot)

    return ServiceSwitch("mqtt", make, report=report, stop=lambda service: service.stop())
