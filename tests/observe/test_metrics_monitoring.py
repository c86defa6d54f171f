"""What we ship for Prometheus and Grafana fits our metrics, as Prometheus' own tools see it."""

import http.client
import json
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from prometheus_client import start_http_server

from proxy.observe.metrics import Gauges, WorkerGauges
from tests.observe.metrics_cast import FixedSource, full_gauges
from tests.observe.test_metrics_contract import NEW, OF_V2, RIG, full_scene
from tests.support.patience import PATIENCE_S
from tests.support.ports import steady_port

SHIPPED = Path(__file__).parents[2] / "docs" / "monitoring"


def tool(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is missing: apt-get install prometheus")
    return path


def promtool(*arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [tool("promtool"), *arguments], input=stdin, capture_output=True, text=True, timeout=PATIENCE_S
    )


def exposed_names() -> set[str]:
    return {
        f"{name}{ending}"
        for name, (kind, _) in (OF_V2 | NEW).items()
        for ending in {"counter": ("_total",), "gauge": ("",)}.get(kind, ("_bucket", "_sum", "_count"))
    }


def expressions() -> list[str]:
    board = json.loads((SHIPPED / "grafana.json").read_text())
    return [target["expr"] for panel in board["panels"] for target in panel.get("targets", ())]


def test_exposition_is_clean_to_promtool() -> None:
    checked = promtool("check", "metrics", stdin=full_scene().text())
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


def test_alert_rules_and_configuration_are_valid() -> None:
    checked = promtool("check", "config", str(SHIPPED / "prometheus.yml"))
    assert checked.returncode == 0, checked.stderr
    assert "SUCCESS" in checked.stdout


def test_alert_rules_name_only_metrics_that_exist() -> None:
    rules = (SHIPPED / "alerts.yml").read_text()
    named = set(re.findall(r"\bdpmp_\w+", rules))
    assert named
    assert named <= exposed_names()


def test_board_names_only_metrics_that_exist() -> None:
    named = {name for expression in expressions() for name in re.findall(r"\bdpmp_\w+", expression)}
    assert named <= exposed_names()
    assert {f"{name}_total" if kind == "counter" else name for name, (kind, _) in OF_V2.items()} <= named


def test_hash_rates_come_from_the_work_and_not_from_what_is_credited() -> None:
    rules = (SHIPPED / "alerts.yml").read_text()
    drop = rules[rules.index("alert: DpmpHashrateDrop") :].split("for:")[0]
    assert set(re.findall(r"\bdpmp_\w+", drop)) == {"dpmp_work_difficulty_sum_total"}
    board = json.loads((SHIPPED / "grafana.json").read_text())
    targets = [target for panel in board["panels"] for target in panel.get("targets", ())]
    rates = {target["legendFormat"]: target["expr"] for target in targets if "4294967296" in target["expr"]}
    assert {name for name, expression in rates.items() if "accepted_difficulty" in expression} == {"credited {{pool}}"}
    assert "dpmp_work_difficulty_sum_total" in rates["{{pool}}"]


def test_board_can_be_imported() -> None:
    board = json.loads((SHIPPED / "grafana.json").read_text())
    identities = [panel["id"] for panel in board["panels"]]
    assert len(identities) == len(set(identities))
    assert board["__inputs"][0]["pluginId"] == "prometheus"
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in board["panels"])


def test_every_expression_of_the_board_is_promql(tmp_path: Path) -> None:
    rules = [
        {"record": f"board:{number}", "expr": expression.replace("$__rate_interval", "5m").replace("$instance", ".*")}
        for number, expression in enumerate(expressions())
    ]
    file = tmp_path / "board.json"  # YAML is a superset of JSON
    file.write_text(json.dumps({"groups": [{"name": "board", "rules": rules}]}))
    checked = promtool("check", "rules", str(file))
    assert checked.returncode == 0, checked.stderr


def test_pool_that_is_down_alarms_only_if_it_should_be_worked_on(tmp_path: Path) -> None:
    def series(name: str, pool: str, value: str) -> dict[str, str]:
        return {"series": f'{name}{{job="dpmp",instance="x",pool="{pool}"}}', "values": f"{value}x10"}

    alarm = {
        "exp_labels": {"severity": "warning", "job": "dpmp", "instance": "x", "pool": "A"},
        "exp_annotations": {"summary": "Pool A is down; its miners work elsewhere."},
    }
    file = tmp_path / "test.json"
    file.write_text(
        json.dumps(
            {
                "rule_files": [str(SHIPPED / "alerts.yml")],
                "tests": [
                    {
                        "interval": "1m",
                        "input_series": [
                            series("dpmp_pool_up", "A", "0"),
                            series("dpmp_pool_weight", "A", "0.5"),
                            series("dpmp_pool_up", "B", "0"),
                            series("dpmp_pool_weight", "B", "0"),
                            series("dpmp_pool_up", "C", "1"),
                            series("dpmp_pool_weight", "C", "0.5"),
                        ],
                        "alert_rule_test": [
                            {"eval_time": "5m", "alertname": "DpmpPoolDown", "exp_alerts": [alarm]},
                            {"eval_time": "5m", "alertname": "DpmpAllPoolsDown", "exp_alerts": []},
                        ],
                    }
                ],
            }
        )
    )
    checked = promtool("test", "rules", str(file))
    assert checked.returncode == 0, checked.stdout + checked.stderr


class WatchedSource(FixedSource):
    """Says when it is scraped."""

    def __init__(self) -> None:
        super().__init__(full_gauges(), [WorkerGauges(name=RIG, power_w=15.0, temperature_c=61.0)])
        self.scrapes = threading.Semaphore(0)

    def gauges(self) -> Gauges:
        self.scrapes.release()
        return super().gauges()


@pytest.fixture
def prometheus(tmp_path: Path) -> Iterator[tuple[int, WatchedSource]]:
    """A real Prometheus that scrapes the full scene each second; its port and what it scrapes."""
    binary, scene, source, port = tool("prometheus"), full_scene(), WatchedSource(), steady_port()
    scene.sink.attach(source)
    server, thread = start_http_server(0, "127.0.0.1", scene.registry)
    config = tmp_path / "prometheus.json"
    config.write_text(
        json.dumps(
            {
                "global": {"scrape_interval": "1s"},
                "scrape_configs": [
                    {"job_name": "dpmp", "static_configs": [{"targets": [f"127.0.0.1:{server.server_port}"]}]}
                ],
            }
        )
    )
    process = subprocess.Popen(
        [
            binary,
            f"--config.file={config}",
            f"--storage.tsdb.path={tmp_path}/tsdb",
            f"--web.listen-address=127.0.0.1:{port}",
            "--log.level=error",
        ]
    )
    try:
        yield port, source
    finally:
        process.kill()
        process.wait(30)
        server.shutdown()
        server.server_close()
        thread.join(30)


def ask(port: int, query: str) -> list[dict[str, object]]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    try:
        connection.request("GET", f"/api/v1/query?query={quote(query)}")
        answer = json.loads(connection.getresponse().read())
    finally:
        connection.close()
    return list(answer["data"]["result"])


@pytest.mark.slow
def test_real_prometheus_scrapes_what_we_expose(prometheus: tuple[int, WatchedSource]) -> None:
    port, source = prometheus
    for _ in range(2):  # the first is stored when the second begins
        assert source.scrapes.acquire(timeout=PATIENCE_S)
    deadline = time.monotonic() + PATIENCE_S
    while not (found := ask(port, 'dpmp_shares_accepted_total{pool="A"}')) and time.monotonic() < deadline:
        assert source.scrapes.acquire(timeout=PATIENCE_S)
    assert found[0]["value"][1] == "1"  # type: ignore[index]
    assert ask(port, "up{job='dpmp'}")[0]["value"][1] == "1"  # type: ignore[index]
    stored = {row["metric"]["__name__"] for row in ask(port, '{__name__=~"dpmp_.+"}')}  # type: ignore[index]
    assert exposed_names() <= stored
