"""Events of the miners' own facts."""

from proxy.observe.events.stream import WARNING, Event, event


@event("devices_watched")
class DevicesWatched(Event):
    """Miners are asked for facts of their own from now on."""

    networks: str
    interval_s: float


@event("device_found")
class DeviceFound(Event):
    """A miner was found in the named networks, by a scan or by its announcement; it is asked from now on."""

    address: str
    api: str
    by: str


@event("devices_trouble", WARNING)
class DevicesTrouble(Event):
    """The miners' own facts cannot be kept, or announcements not be heard; mining goes on."""

    problem: str
