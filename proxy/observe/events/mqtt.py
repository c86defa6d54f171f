"""Events of the connection to an MQTT broker."""

from proxy.observe.events.stream import WARNING, Event, event


@event("mqtt_connected")
class MqttConnected(Event):
    """The MQTT broker is connected: states are published, commands are heard."""

    address: str


@event("mqtt_disconnected", WARNING)
class MqttDisconnected(Event):
    """The MQTT broker cannot be reached, or the connection broke; mining goes on without it."""

    address: str
    problem: str
    retry_s: float


@event("mqtt_command")
class MqttCommand(Event):
    """A command that came by MQTT was carried out."""

    topic: str
    payload: str


@event("mqtt_command_ignored", WARNING)
class MqttCommandIgnored(Event):
    """A message on a command's topic was not obeyed."""

    topic: str
    payload: str
    reason: str
