"""The database models of the configuration, the history and the state of the proxy."""

# ruff: noqa: F401 (a face: each name is for whoever imports it from here)

from proxy.models.alerts import AlertDelivery, AlertRule, AlertSettings, AlertTarget, DeliveryState
from proxy.models.balance import BalanceMemory, BalanceSettings, BalanceSource, ChainBlock, ChainPrice
from proxy.models.control import ConfigRevision, WeightOverride, WorkerPin, WorkerTrace
from proxy.models.devices import Device, DeviceSample, DeviceScan, DeviceSettings
from proxy.models.firmware import FirmwareRule
from proxy.models.history import (
    BestShare,
    Block,
    BlockMark,
    BlockVerdict,
    ChainTip,
    PayoutRecord,
    RejectBucket,
    RejectTotal,
    Retention,
    ShareBucket,
    ShareTotal,
    Step,
    V2BestShare,
    WriterMark,
)
from proxy.models.listeners import Listener
from proxy.models.money import IncomeDay, MoneySettings, PowerDay
from proxy.models.mqtt import MqttSettings
from proxy.models.nodes import Lease, NodeState, ProxyNode
from proxy.models.pools import Pool, PoolEndpoint, PoolFact, Wallet
from proxy.models.push import PushKey, PushSubscription
from proxy.models.schedules import Allocation, Fallback, Schedule, ScheduleWindow
from proxy.models.settings import ProxySettings
from proxy.models.state import SchedulerState
from proxy.models.vardiff import VardiffRule
