"""The rows that the proxy's configuration is made of, in one place."""

from proxy.models.control import ConfigRevision, WeightOverride, WorkerPin, WorkerTrace
from proxy.models.devices import Device, DeviceSample, DeviceScan, DeviceSettings
from proxy.models.firmware import FirmwareRule
from proxy.models.listeners import Listener
from proxy.models.mqtt import MqttSettings
from proxy.models.pools import Pool, PoolEndpoint, PoolFact, Wallet
from proxy.models.schedules import Allocation, Fallback, Schedule, ScheduleWindow
from proxy.models.settings import ProxySettings
from proxy.models.vardiff import VardiffRule

__all__ = [
    "Allocation",
    "ConfigRevision",
    "Device",
    "DeviceSample",
    "DeviceScan",
    "DeviceSettings",
    "Fallback",
    "FirmwareRule",
    "Listener",
    "MqttSettings",
    "Pool",
    "PoolEndpoint",
    "PoolFact",
    "ProxySettings",
    "Schedule",
    "ScheduleWindow",
    "VardiffRule",
    "Wallet",
    "WeightOverride",
    "WorkerPin",
    "WorkerTrace",
]
