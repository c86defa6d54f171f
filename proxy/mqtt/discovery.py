"""Descriptions of our devices for Home Assistant: one message a device.

SOURCE: home-assistant.io, integrations/mqtt, "Device discovery payload" (Home Assistant 2024.11 and newer): ``device``
and ``origin`` are required at the root; ``availability_topic``, ``state_topic`` and ``qos`` may be shared there; each
of ``components`` has a ``platform`` and a ``unique_id``; an empty retained message removes the device.
"""

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from proxy import VERSION
from proxy.devices.views import devices_of
from proxy.mqtt.states import NOT_PINNED, OFF, ON
from proxy.mqtt.topics import Topics, slug
from proxy.observe.live.views import LiveSnapshot, WorkerView
from proxy.observe.live.worker_health import Level

Component = dict[str, Any]
_MAX_NAME = 64
RATE, SHARES, DIFFICULTY = "TH/s", "shares", "difficulty"


def discoveries(
    live: LiveSnapshot, topics: Topics, workers: Sequence[WorkerView], *, commands: bool
) -> dict[str, bytes]:
    """Topic -> the description of a device, for the proxy, each pool and each of ``workers``."""
    keys = tuple(pool.key for pool in live.pools)
    devices = devices_of(live)
    asked = devices.by_worker if devices is not None else {}
    found = {topics.discovery("proxy"): _proxy(topics, commands)}
    for pool in live.pools:
        found[topics.discovery(f"pool_{slug(pool.key)}")] = _pool(topics, pool.key, pool.name, commands)
    for worker in workers:
        device = topics.discovery(f"worker_{slug(worker.name)}")
        found[device] = _worker(topics, worker.name, worker.firmware, keys, commands, worker.name in asked)
    return found


@lru_cache(maxsize=4)
def _proxy(topics: Topics, commands: bool) -> bytes:
    parts = {
        "hashrate_5m": _sensor("Hash rate", "hashrate_5m", RATE, precision=2),
        "hashrate_24h": _sensor("Hash rate, day", "hashrate_24h", RATE, precision=2),
        "miners": _sensor("Miners", "miners", "miners"),
        "accepted": _total("Accepted shares", "accepted"),
        "rejected": _total("Rejected shares", "rejected"),
        "best_share": _sensor("Best share", "best_share", DIFFICULTY),
        "control": _sensor("Controlled by", "control"),
        "alarm": _binary("Alarm", "alarm", "problem")
        | {
            "json_attributes_topic": topics.proxy_state,
            "json_attributes_template": "{{ {'alarms': value_json.alarms} | tojson }}",
        },
    }
    if commands:
        parts["auto_balance"] = {
            "platform": "switch",
            "name": "Auto-balance",
            "command_topic": topics.auto_balance,
            "value_template": _read("auto_balance"),
            "payload_on": ON,
            "payload_off": OFF,
            "optimistic": False,
        }
    else:
        parts["auto_balance"] = _binary("Auto-balance", "auto_balance", None)
    return _device(topics, "proxy", "DPMP", "Stratum proxy", topics.proxy_state, parts)


@lru_cache(maxsize=128)
def _pool(topics: Topics, key: str, name: str, commands: bool) -> bytes:
    parts = {
        "connected": _binary("Connected", "connected", "connectivity"),
        "problem": _binary("Problem", "problem", "problem"),
        "hashrate": _sensor("Hash rate", "hashrate", RATE, precision=2),
        "delivered_percent": _sensor("Part of the work, day", "delivered_percent", "%", precision=1),
        "miners": _sensor("Miners", "miners", "miners"),
        "accepted": _total("Accepted shares", "accepted"),
        "rejected": _total("Rejected shares", "rejected"),
        "latency": _sensor("Latency", "latency_ms", "ms") | {"device_class": "duration"},
        "difficulty": _sensor("Difficulty", "difficulty", DIFFICULTY),
        "effort": _sensor("Effort since the last block", "effort_percent", "%", precision=1),
    }
    if commands:
        parts["percent"] = {
            "platform": "number",
            "name": "Part of the work, wanted",
            "command_topic": topics.pool_percent(key),
            "value_template": _read("percent"),
            "min": 0,
            "max": 100,
            "step": 1,
            "mode": "slider",
            "unit_of_measurement": "%",
            "optimistic": False,
        }
    else:
        parts["percent"] = _sensor("Part of the work, wanted", "percent", "%", precision=1)
    shown = f"DPMP pool {key}" + (f" {name}" if name else "")
    return _device(topics, f"pool_{slug(key)}", shown, "Pool", topics.pool_state(key), parts)


@lru_cache(maxsize=1024)
def _worker(topics: Topics, name: str, firmware: str, pools: tuple[str, ...], commands: bool, asked: bool) -> bytes:
    parts = {
        "connected": _binary("Connected", "connected", "connectivity"),
        "problem": _binary("Problem", "problem", "problem"),
        "health": _sensor("Health", "health") | {"device_class": "enum", "options": [level.value for level in Level]},
        "pool": _sensor("Pool", "pool"),
        "hashrate_5m": _sensor("Hash rate", "hashrate_5m", RATE, precision=2),
        "hashrate_24h": _sensor("Hash rate, day", "hashrate_24h", RATE, precision=2),
        "accepted": _total("Accepted shares", "accepted"),
        "rejected": _total("Rejected shares", "rejected"),
        "best_share": _sensor("Best share", "best_share", DIFFICULTY),
        "difficulty": _sensor("Difficulty", "difficulty", DIFFICULTY),
    }
    if asked:
        parts["power"] = _sensor("Power", "power", "W", precision=1) | {"device_class": "power"}
        parts["temperature"] = _sensor("Temperature", "temperature", "°C") | {"device_class": "temperature"}
        parts["joules_per_th"] = _sensor("Energy per TH", "joules_per_th", "J/TH", precision=1)
    if commands:
        parts["pin"] = {
            "platform": "select",
            "name": "Pinned to",
            "command_topic": topics.worker_pin(name),
            "value_template": _read("pin"),
            "options": [NOT_PINNED, *pools],
            "optimistic": False,
        }
    else:
        parts["pin"] = _sensor("Pinned to", "pin")
    return _device(topics, f"worker_{slug(name)}", name, firmware or "Miner", topics.worker_state(name), parts)


def _device(topics: Topics, device: str, name: str, model: str, state: str, parts: Mapping[str, Component]) -> bytes:
    own = f"{topics.node}_{device}"
    described: dict[str, Any] = {
        "device": {
            "identifiers": [own],
            "name": name[:_MAX_NAME],
            "manufacturer": "DPMP",
            "model": model[:_MAX_NAME],
            "sw_version": VERSION,
        },
        "origin": {"name": "DPMP", "sw_version": VERSION},
        "availability_topic": topics.status,
        "state_topic": state,
        "qos": 1,
        "components": {part: fields | {"unique_id": f"{own}_{part}"} for part, fields in parts.items()},
    }
    if device != "proxy":
        described["device"]["via_device"] = f"{topics.node}_proxy"
    return json.dumps(described, separators=(",", ":")).encode()


def _read(field: str) -> str:
    return f"{{{{ value_json.{field} }}}}"


def _sensor(name: str, field: str, unit: str = "", precision: int | None = None) -> Component:
    """A number that is measured, or a text where it has no unit."""
    sensor: Component = {"platform": "sensor", "name": name, "value_template": _read(field)}
    if unit:
        sensor |= {"unit_of_measurement": unit, "state_class": "measurement"}
    if precision is not None:
        sensor["suggested_display_precision"] = precision
    return sensor


def _total(name: str, field: str) -> Component:
    return {
        "platform": "sensor",
        "name": name,
        "value_template": _read(field),
        "unit_of_measurement": SHARES,
        "state_class": "total_increasing",
    }


def _binary(name: str, field: str, device_class: str | None) -> Component:
    binary: Component = {
        "platform": "binary_sensor",
        "name": name,
        "value_template": _read(field),
        "payload_on": ON,
        "payload_off": OFF,
    }
    return binary | {"device_class": device_class} if device_class else binary
