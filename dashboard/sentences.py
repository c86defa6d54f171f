"""A sentence for each event of the log, for somebody who mines at home; the raw line stands behind it."""

from collections.abc import Mapping, Sequence

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from dashboard import presenters
from dashboard.labels import control_source
from proxy.models.labels import Text
from proxy.observe.events import REGISTRY
from proxy.observe.live.views import LiveSnapshot
from proxy.observe.log import LogLine

SENTENCES: Mapping[str, Text] = {
    # --- Auto-balance ---
    "oracle_poll_start": _("Auto-balance asks %(source)s"),
    "oracle_calc_result": _("Auto-balance calculated %(weights)s · %(reason)s"),
    "oracle_weights_applied": _("Auto-balance set the split to %(weights)s · %(reason)s"),
    "oracle_poll_error": _("Auto-balance got no answer from %(source)s · %(problem)s"),
    "oracle_fallback_50_50": _("Auto-balance has no data and uses %(weights)s until it has some"),
    # --- Miners ---
    "miner_connected": _("A miner connected from %(peer)s"),
    "miner_refused": _("Connections from %(peer)s were refused · limit: %(limit)s"),
    "miner_slowed": _("%(worker)s is read more slowly: it sends much that earns nothing"),
    "address_refused": _("%(address)s is refused for %(seconds)s: it sent too much that earns nothing"),
    "miner_disconnected": _("%(worker)s disconnected after %(duration_s)s · %(reason)s"),
    "miner_other_protocol": _("%(peer)s does not speak Stratum V1 and was let go · %(reason)s"),
    "miner_method": _("%(worker)s called %(method)s"),
    "miner_bad_json": _("%(worker)s sent a line that cannot be read · %(problem)s"),
    "miner_subscribed": _("A miner subscribed · %(agent)s"),
    "miner_configured": _("A miner asked for extensions · %(extensions)s"),
    "miner_authorized": _("%(worker)s logged in from %(peer)s · %(agent)s"),
    "miner_wrong_password": _("A miner at %(peer)s gave a wrong password"),
    "miner_directive_ignored": _("%(worker)s asked for something that cannot be used · %(problem)s"),
    "authorize_rewrite": _("On %(pool)s a miner is known as %(upstream_user)s"),
    "miner_ready_for_jobs": _("%(worker)s got its first job · %(pool)s"),
    "miner_waiting": _("%(worker)s waits for work · %(reason)s"),
    "pool_excluded": _("%(worker)s cannot use %(pool)s · %(reason)s"),
    # --- Pools ---
    "pool_connecting": _("Connecting to %(pool)s · %(endpoint)s"),
    "pool_connected": _("Connected to %(pool)s · answered in %(latency_ms)s"),
    "pool_disconnected": _("A connection to %(pool)s broke · %(reason)s"),
    "pool_reconnect_wait": _("The next try to reach %(pool)s is in %(delay_s)s"),
    "pool_reconnect_failed": _("%(pool)s could not be reached · %(reason)s"),
    "pool_down": _("%(pool)s is down · %(reason)s"),
    "pool_reconnected": _("%(pool)s is up"),
    "pool_state": _("%(pool)s went from %(old)s to %(new)s"),
    "subscribe_result": _("%(pool)s gave a connection its extranonce"),
    "auth_result": _("%(pool)s refused the login as %(user)s · %(message)s"),
    "pool_notify": _("%(pool)s sent a job"),
    "connection_tip": _("A connection to %(pool)s works on block %(height)s"),
    "pool_diff": _("%(pool)s set the difficulty to %(difficulty)s"),
    "pool_version_mask": _("%(pool)s said which version bits may be rolled"),
    "pool_message": _("%(pool)s says: %(text)s"),
    "pool_redirect": _("%(pool)s wanted to send us to %(target)s, which was not followed"),
    "pool_bad_message": _("%(pool)s sent something wrong · %(problem)s"),
    "no_pool_for_long": _("No pool has worked for %(minutes)s min: miners are let go to use their own fallback"),
    "pool_works_again": _("A pool works again after %(after_s)s: miners are welcome"),
    # --- MQTT ---
    "devices_watched": _("The miners are asked every %(interval_s)s s for facts of their own · networks: %(networks)s"),
    "device_found": _("A miner was found at %(address)s (%(api)s) · by %(by)s"),
    "devices_trouble": _("The miners' own facts: %(problem)s"),
    "mqtt_connected": _("The MQTT broker at %(address)s is connected"),
    "mqtt_disconnected": _("No connection to the MQTT broker at %(address)s · %(problem)s"),
    "mqtt_command": _("A command came by MQTT · %(topic)s: %(payload)s"),
    "mqtt_command_ignored": _("A command by MQTT was ignored · %(topic)s: %(payload)s · %(reason)s"),
    # --- Several nodes ---
    "node_lease": _("Node %(node)s leaves to another what is done once for all"),
    "node_name_taken": _("Another node is called %(node)s, so this one stops · %(by_host)s, process %(by_pid)s"),
    "node_started_alone": _(
        "The database does not answer: node %(node)s starts with the settings that it has kept, and takes the "
        "database's when that is back"
    ),
    "node_draining": _("Node %(node)s lets its miners go to other nodes, then stops · miners: %(miners)s"),
    "node_heard": _("Node %(node)s is heard"),
    "node_silent": _("Node %(node)s is not heard any more"),
    "node_unreadable": _("What node %(node)s tells of itself cannot be used · %(problem)s"),
    "redis_trouble": _("Redis cannot be used · %(problem)s"),
    # --- The process ---
    "update_available": _("DPMP %(version)s is available · %(url)s"),
    "update_check_failed": _("The feed of releases could not be read · %(problem)s"),
    "config_loaded": _("Settings applied · %(changed)s"),
    "config_refused": _("The saved settings cannot be used; the earlier ones stay · %(problems)s"),
    "database_trouble": _("The database cannot be used · %(problem)s"),
    "metrics_started": _("Metrics are at %(address)s"),
    "dpmp_listening": _("Miners can connect to %(address)s"),
    "miner_tls_listening": _("Miners can connect with TLS to %(address)s"),
    "listener_opened": _("Miners can connect to %(listener)s · %(address)s"),
    "listener_closed": _("%(listener)s is closed · %(address)s"),
    "listener_failed": _("%(listener)s cannot be opened at %(address)s · %(problem)s"),
    "miner_tls_certificate": _("The certificate for miners is valid until %(valid_until)s"),
    "miner_tls_refused": _("The certificate for miners cannot be used · %(problem)s"),
    "dashboard_started": _("The dashboard is at %(address)s"),
    "inherited_socket_unused": _("A port that systemd opened is not used: %(configured)s is set instead"),
    "session_error": _("A fault in DPMP itself · %(where)s"),
    "loop_held": _("Everything stood still for %(seconds)s · %(where)s"),
    "library_log": _("%(logger)s warns · %(text)s"),
    "log_lines_left_out": _("%(lines)s lines of %(left_out)s were left out of the log"),
    "shutdown_signal": _("DPMP was asked to end · %(signal)s"),
    "shutdown_begin": _("DPMP ends; open shares are waited for: %(open_submits)s"),
    "shutdown_done": _("DPMP ended; all is written"),
    # --- Blocks and chains ---
    "best_share": _("%(worker)s found its best share: %(true_difficulty)s, before %(previous)s · %(pool)s"),
    "block_found": _("%(worker)s found a block of %(chain)s, but %(pool)s did not accept it"),
    "block_kept": _("A block of %(worker)s is kept until the connection to %(pool)s is back"),
    "block_resent": _("The block of %(worker)s is sent to %(pool)s now"),
    "block_delivered": _("%(pool)s refused the block of %(worker)s that was sent later · %(message)s"),
    "block_not_delivered": _("The block of %(worker)s could not be sent to %(pool)s · %(reason)s"),
    "new_block_seen": _("%(pool)s announced block %(height)s of %(chain)s"),
    "pool_behind": _("%(pool)s is behind the other pools of %(chain)s · %(detail)s"),
    "network_difficulty_doubted": _("%(pool)s names a network difficulty that %(chain)s cannot have: %(claimed)s"),
    "stale_tip_left": _("Miners leave connections of %(pool)s that still build on block %(height)s"),
    "chain_split": _("%(chain)s has split at block %(height)s · %(sides)s"),
    "payout_checked": _("%(pool)s pays your wallet %(percent)s %%"),
    "names_stored_together": _("Too many new names: %(worker)s and others are stored as %(stored_as)s"),
    # --- The split ---
    "scheduler_tick": _("The scheduler decided %(decisions)s moves"),
    "split_target_changed": _("The target is now %(weights)s"),
    "control_changed": _("The split is controlled by: %(source)s · %(weights)s"),
    "weights_override_changed": _("%(set_by)s set the split to %(weights)s"),
    "weights_normalized": _("The weights of %(source)s do not sum to 100 and count as %(weights)s"),
    "failover_weight_override": _("Without %(down)s the target is %(weights)s"),
    # --- Jobs and shares ---
    "pool_switched": _("%(worker)s moved to %(new)s · %(reason)s"),
    "failover_emergency_switch": _("%(worker)s had to leave %(old)s for %(new)s · %(why)s"),
    "switch_skipped_no_cached_job": _("%(worker)s stays: %(pool)s has no job for it yet"),
    "job_forwarded": _("%(worker)s got a job of %(pool)s · difficulty %(difficulty)s"),
    "downstream_send_diff": _("%(worker)s got the difficulty %(difficulty)s"),
    "submit_route": _("A share of %(worker)s went to %(pool)s"),
    "share_result": _("A share of %(worker)s was not accepted · %(reason)s"),
    "block_candidate": _("%(worker)s found what may be a block of %(chain)s · sent to %(pool)s"),
    "block_candidates_left_out": _("%(count)s more block candidates of %(pool)s went up as ordinary shares"),
    "submit_dropped_unknown_jid": _("A share of %(worker)s came too late: its job is over"),
    "submit_dropped_no_job_yet": _("A share of %(worker)s came before its first job"),
    "submit_dropped_duplicate_fp": _("%(worker)s sent a share twice"),
    "submit_dropped_pool_dead": _("A share of %(worker)s came after the connection to %(pool)s had ended"),
    "late_verdict": _("%(pool)s refused a share after its time-out"),
    "downstream_tx": _("Raw traffic of %(worker)s"),
    "upstream_tx": _("Raw traffic with %(pool)s"),
}
"""Event -> its sentence; names in it are fields of the event."""

_IF: Mapping[str, tuple[tuple[str, Text], ...]] = {
    "pool_connected": (("probe", _("%(pool)s answered a test in %(latency_ms)s")),),
    "pool_disconnected": (("wanted", _("A connection to %(pool)s was closed · %(reason)s")),),
    "pool_reconnected": (("down_s", _("%(pool)s is up again after %(down_s)s")),),
    "auth_result": (("ok", _("%(pool)s accepted the login as %(user)s")),),
    "pool_redirect": (("honoured", _("%(pool)s sends us to %(target)s")),),
    "database_trouble": (("recovered", _("The database can be used again")),),
    "node_lease": (("held", _("Node %(node)s does what is done once for all")),),
    "redis_trouble": (("recovered", _("Redis can be used again")),),
    "block_found": (("accepted", _("%(worker)s found a block of %(chain)s, and %(pool)s accepted it")),),
    "block_delivered": (("accepted", _("%(pool)s accepted the block of %(worker)s that was sent later")),),
    "pool_behind": (("cleared", _("%(pool)s is no longer behind the other pools of %(chain)s")),),
    "network_difficulty_doubted": (("cleared", _("%(pool)s names a network difficulty of %(chain)s that can be")),),
    "chain_split": (("cleared", _("%(chain)s is one chain again")),),
    "late_verdict": (("accepted", _("%(pool)s accepted a share after its time-out")),),
    "pool_switched": (("stay", _("%(worker)s moved to %(new)s · %(stay)s on %(old)s · %(reason)s")),),
    "share_result": (("counts", _("A share of %(worker)s was accepted by %(pool)s")),),
    "failover_emergency_switch": (
        ("nowhere", _("%(worker)s had to leave %(old)s, and no other pool has work · %(why)s")),
    ),
    "weights_override_changed": (
        ("auto", _("%(set_by)s switched auto-balance on")),
        ("reset", _("The split follows the schedule again")),
    ),
}
"""Event -> fields, each with the sentence where it is not empty; the first that is counts."""

_REASONS: Mapping[str, Text] = {
    "start": _("its first pool"),
    "slice": _("schedule"),
    "assign": _("schedule"),
    "failover": _("its pool is down"),
    "return": _("its pool works again"),
    "weight": _("the split was changed"),
    "operator": _("pinned by hand"),
    "excluded": _("it cannot use the other pool"),
}
"""Why a miner was moved."""
_KINDS: Mapping[str, Text] = {
    "records": _("blocks and best shares"),
    "pools": _("pools"),
    "miners": _("miners"),
    "scheduling": _("split and schedule"),
    "work": _("moves, jobs and shares"),
    "balance": _("auto-balance"),
    "mqtt": _("MQTT"),
    "nodes": _("several nodes"),
    "devices": _("miners' own facts"),
    "process": _("DPMP itself"),
}
"""Kind of an event: the file that declares it."""
_POOLS = {"pool", "old", "new"}
_TIMES = {"duration_s", "delay_s", "down_s", "after_s", "seconds", "stay"}
_DIFFICULTIES = {"difficulty", "true_difficulty", "previous", "claimed"}
MAX_CHARS = 300


def kinds() -> list[tuple[str, Text]]:
    """The kinds of events, with labels."""
    return list(_KINDS.items())


def events_of(kind: str) -> frozenset[str]:
    """Names of a kind's events."""
    return frozenset(name for name, event in REGISTRY.items() if event.__module__.rpartition(".")[2] == kind)


def sentence(line: LogLine, snap: LiveSnapshot, stay_s: float | None = None) -> str:
    """What happened. ``stay_s``: how long the worker had been on its pool before, where that is known."""
    values: dict[str, object] = {**line.fields, "worker": line.worker or gettext("a miner"), "pool": line.pool}
    values["stay"] = stay_s if line.fields.get("old") else None
    values["counts"] = line.fields.get("verdict") == "accepted"
    values["nowhere"] = not line.fields.get("new")
    values["auto"] = line.fields.get("kind") == "auto-balance"
    values["reset"] = not line.fields.get("weights")
    otherwise = (text for field, text in _IF.get(line.event, ()) if values[field])
    text = next(otherwise, None) or SENTENCES.get(line.event, line.event)
    shown = {name: _shown(name, value, line, snap) for name, value in values.items()}
    said = (str(text) % shown).removesuffix(" · ")
    return said if len(said) <= MAX_CHARS else f"{said[:MAX_CHARS]} …"


def _shown(name: str, value: object, line: LogLine, snap: LiveSnapshot) -> str:
    if name in _POOLS:
        pool = snap.pool(str(value))
        return (pool.name if pool else "") or (gettext("pool %(key)s") % {"key": value} if value else presenters.DASH)
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_number(part, value)}" for key, part in value.items()) or gettext("nothing")
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    if isinstance(value, int | float) and not isinstance(value, bool):
        if name in _TIMES:
            return presenters.seconds(value)
        if name in _DIFFICULTIES:
            return presenters.difficulty(value)
        return presenters.milliseconds(value) if name == "latency_ms" else f"{value:,.6g}"
    if name == "reason" and line.event == "pool_switched":
        return str(_REASONS.get(str(value), value))
    if name == "source" and line.event == "control_changed":
        return control_source(str(value))
    return "" if value is None else str(value)


def _number(part: object, whole: Mapping[str, object]) -> str:
    """A weight in percent, whatever the weights' sum."""
    numbers = [each for each in whole.values() if isinstance(each, int | float)]
    if not isinstance(part, int | float) or len(numbers) < len(whole) or sum(numbers) <= 0:
        return str(part)
    return presenters.percent(part / sum(numbers), 0)


def stays(lines: Sequence[LogLine]) -> dict[int, float]:
    """Line -> how long its worker had been on the pool that it left, as far as ``lines`` (newest first) tell."""
    moved_at: dict[int | None, float] = {}
    found: dict[int, float] = {}
    for line in reversed(lines):
        if line.event in ("pool_switched", "failover_emergency_switch"):
            before = moved_at.get(line.session)
            if before is not None and line.event == "pool_switched":
                found[line.id] = line.ts - before
            moved_at[line.session] = line.ts
    return found
