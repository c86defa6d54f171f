"""The container's files agree with the code: ports, variables, folders, user, version. Nothing is built here."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import yaml

from dpmp_site.env import VARIABLES
from proxy import VERSION
from proxy.config.snapshot import Listeners
from proxy.management.commands.runproxy import Command
from proxy.management.workers import STOP_S
from tests.e2e.test_behind_haproxy import haproxy

ROOT = Path(__file__).resolve().parent.parent.parent
DOCKERFILE = (ROOT / "Dockerfile").read_text()
UMBREL = ROOT / "packaging" / "umbrel" / "dpmp"
FARM = ROOT / "packaging" / "farm"
COMPOSES = [ROOT / "compose.yaml", ROOT / "compose.farm.yaml", UMBREL / "docker-compose.yml"]
_DEFAULT = Listeners()
PORTS = {_DEFAULT.stratum_port, _DEFAULT.web_port, _DEFAULT.metrics_port}


def steps() -> list[tuple[str, str]]:
    """The Dockerfile's instructions, continued lines joined."""
    text = re.sub(r"\\\n\s*", " ", "\n".join(line for line in DOCKERFILE.splitlines() if not line.startswith("#")))
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in text.splitlines() if line.strip())]


def of(word: str) -> list[str]:
    return [rest for each, rest in steps() if each == word]


def read(path: Path) -> dict[str, Any]:
    found = yaml.safe_load(path.read_text())
    assert isinstance(found, dict)
    return found


def ours(compose: dict[str, Any]) -> dict[str, Any]:
    """The service that runs DPMP."""
    found: dict[str, Any] = next(each for name, each in compose["services"].items() if name in ("dpmp", "server"))
    return found


def test_every_instruction_is_one_that_docker_knows() -> None:
    known = {"FROM", "WORKDIR", "RUN", "COPY", "ARG", "ENV", "USER", "VOLUME", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK"}
    assert {word for word, _rest in steps()} == known | {"ENTRYPOINT"}
    assert json.loads(of("ENTRYPOINT")[0]) == ["dpmp-start"]
    assert json.loads(of("HEALTHCHECK")[0].partition("CMD ")[2]) == ["dpmp-healthy"]


def test_the_image_exposes_the_ports_of_the_code() -> None:
    assert {int(port) for port in of("EXPOSE")[0].split()} == PORTS
    assert f":{_DEFAULT.web_port}/healthz" in (ROOT / "packaging" / "container" / "healthy.py").read_text()


def test_the_image_runs_as_somebody_who_owns_the_data_and_nothing_else() -> None:
    user = of("USER")[-1]
    assert re.fullmatch(r"([1-9]\d{3,}):\1", user)
    assert f"--uid {user.split(':')[0]}" in DOCKERFILE
    assert of("VOLUME") == ["/data"] and "DPMP_DATA_DIR=/data" in of("ENV")[0]
    last = DOCKERFILE.rindex("USER ")
    assert "RUN " not in DOCKERFILE[last:] and "COPY " not in DOCKERFILE[last:]


def test_what_is_copied_is_there_and_not_left_out() -> None:
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    for rest in of("COPY"):
        if "--from=" in rest:
            continue
        for source in rest.split()[:-1]:
            if not source.startswith("--"):
                assert (ROOT / source).exists(), source
                assert source in kept or any(source.startswith(f"{each}/") for each in kept), source


def test_no_data_no_secret_and_no_history_get_into_the_image() -> None:
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*"
    assert not {"!data", "!.git", "!.env", "!tests"} & set(lines)
    assert not re.search(r"(?i)(password|secret|token)\s*=", DOCKERFILE)


def test_what_is_installed_has_hashes() -> None:
    assert any("--require-hashes" in rest and "requirements.lock" in rest for rest in of("RUN"))


def test_the_python_of_the_image_is_one_that_the_project_takes() -> None:
    bases = of("FROM")
    found = [re.match(r"python:3\.(\d+)-slim-\w+", base) for base in bases]
    assert len(bases) == 2 and all(found) and len({base.split()[0] for base in bases}) == 1
    least = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    assert all(int(each[1]) >= int(least.removeprefix(">=3.")) for each in found if each)


@pytest.mark.parametrize("path", COMPOSES, ids=lambda path: path.name)
def test_a_compose_file_agrees_with_the_code(path: Path) -> None:
    service = ours(read(path))
    assert service["image"].endswith(f":{VERSION}")
    opened = [service, *([read(path)["services"]["haproxy"]] if "haproxy" in read(path)["services"] else [])]
    inside = {int(str(port).rpartition(":")[2]) for each in opened for port in each.get("ports", [])}
    assert inside <= PORTS and _DEFAULT.stratum_port in inside
    assert set(service["environment"]) <= set(VARIABLES)
    assert any(str(volume).endswith(":/data") for volume in service["volumes"])
    assert service["read_only"] is True and service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"] and service["tmpfs"]
    assert "privileged" not in service and "network_mode" not in service


@pytest.mark.parametrize("path", COMPOSES, ids=lambda path: path.name)
def test_no_compose_file_has_a_password(path: Path) -> None:
    for service in read(path)["services"].values():
        for name, value in service.get("environment", {}).items():
            if "PASSWORD" in name or "://" in str(value):
                assert "${" in str(value), name


def test_named_volumes_are_declared_and_mounted_files_exist() -> None:
    for path in COMPOSES[:2]:
        compose = read(path)
        for service in compose["services"].values():
            for volume in service.get("volumes", []):
                source = str(volume).split(":")[0]
                if source.startswith("./"):
                    assert (ROOT / source).is_file(), source
                elif not source.startswith("$"):
                    assert source in compose["volumes"]


def test_haproxy_asks_each_node_whether_it_is_ready_and_each_has_a_name_and_a_folder_of_its_own() -> None:
    services = read(COMPOSES[1])["services"]
    nodes = {name: service for name, service in services.items() if service["image"].startswith("dpmp-farm:")}
    for value in ("volumes", "environment"):
        assert len({str(service[value]) for service in nodes.values()}) == len(nodes) > 1
    asked = (ROOT / "packaging" / "farm" / "haproxy.cfg").read_text()
    for name, service in nodes.items():
        line = f"{name}:{_DEFAULT.stratum_port} check port {_DEFAULT.metrics_port}"
        assert f"server {service['environment']['DPMP_NODE']} {line}" in asked
        assert service["stop_signal"] == "SIGUSR1" and int(service["stop_grace_period"][:-1]) > STOP_S  # it drains
        assert service["command"][:2] == ["--metrics", f"0.0.0.0:{_DEFAULT.metrics_port}"]  # else HAProxy cannot ask


def test_haproxy_may_have_as_many_files_open_as_its_connections_take() -> None:
    # It ends at once where the limit is lower and cannot be raised.
    most = {int(number) for number in re.findall(r"maxconn (\d+)", (FARM / "haproxy.cfg").read_text())}
    assert read(COMPOSES[1])["services"]["haproxy"]["ulimits"]["nofile"] > 2 * max(most) + 100


def test_haproxy_takes_its_file(tmp_path: Path) -> None:
    text = (FARM / "haproxy.cfg").read_text()
    (tmp_path / "haproxy.cfg").write_text(
        re.sub(r"(server \w+) \w+:", r"\1 127.0.0.1:", text)
    )  # their names, elsewhere
    done = subprocess.run(
        [haproxy(), "-c", "-f", tmp_path / "haproxy.cfg"], check=False, timeout=60, capture_output=True, text=True
    )
    assert done.returncode == 0 and "[WARNING]" not in done.stderr, done.stderr


def test_prometheus_takes_its_file_with_the_alerts(tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed")
    mounts = dict(volume.split(":")[:2] for volume in read(COMPOSES[1])["services"]["prometheus"]["volumes"])
    for source, target in mounts.items():
        if source.startswith("./"):
            shutil.copy(ROOT / source, tmp_path / Path(target).name)
    command = [promtool, "check", "config", str(tmp_path / "prometheus.yml")]
    done = subprocess.run(command, check=False, timeout=60, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "rules found" in done.stdout


def test_each_node_of_a_farm_is_started_with_options_and_variables_that_it_knows() -> None:
    services = read(COMPOSES[1])["services"]
    nodes = [service for service in services.values() if service["image"].startswith("dpmp-farm:")]
    for service in nodes:
        options = Command().create_parser("manage.py", "runproxy").parse_args(service["command"])
        assert options.metrics == ("0.0.0.0", _DEFAULT.metrics_port)
        assert set(service["environment"]) <= set(VARIABLES)
        assert {"DPMP_NODE", "DPMP_DATABASE_URL", "DPMP_REDIS_URL"} <= set(service["environment"])
    assert sum("--no-web" in service["command"] for service in nodes) == len(nodes) - 1
    first = next(service for service in nodes if "--no-web" not in service["command"])
    assert "build" in first and not any("build" in service for service in nodes if service is not first)


def test_services_of_a_farm_wait_for_services_that_there_are() -> None:
    known = {
        "image", "build", "restart", "init", "read_only", "cap_drop", "security_opt", "stop_grace_period", "ulimits",
        "stop_signal", "tmpfs", "command", "volumes", "ports", "environment", "depends_on", "healthcheck",
    }  # fmt: skip
    services = read(COMPOSES[1])["services"]
    for service in services.values():
        assert set(service) <= known
        waits = service.get("depends_on", [])
        assert set(waits) <= set(services)
        for name, how in waits.items() if isinstance(waits, dict) else ():
            assert how["condition"] in ("service_started", "service_healthy")
            if how["condition"] == "service_healthy" and not services[name]["image"].startswith("dpmp-farm:"):
                assert services[name]["healthcheck"]["test"]


def test_prometheus_asks_where_the_metrics_are_and_grafana_asks_prometheus() -> None:
    compose = read(COMPOSES[1])
    assert ours(compose)["command"] == ["--metrics", f"0.0.0.0:{_DEFAULT.metrics_port}"]
    scrape = read(ROOT / "packaging" / "farm" / "prometheus.yml")["scrape_configs"][0]
    nodes = [name for name, service in compose["services"].items() if service["image"].startswith("dpmp-farm:")]
    assert scrape["static_configs"] == [{"targets": [f"{name}:{_DEFAULT.metrics_port}" for name in nodes]}]
    source = read(ROOT / "packaging" / "farm" / "datasources.yml")["datasources"][0]
    assert source["url"] == "http://prometheus:9090" and "prometheus" in compose["services"]
    board = read(ROOT / "packaging" / "farm" / "dashboards.yml")["providers"][0]["options"]["path"]
    assert any(str(each).endswith(f"{board}/dpmp.json:ro") for each in compose["services"]["grafana"]["volumes"])
    variable = json.loads((ROOT / "docs" / "monitoring" / "grafana.json").read_text())["templating"]["list"]
    assert any(each["type"] == "datasource" and each["query"] == "prometheus" for each in variable)


def test_umbrels_manifest_agrees_with_its_compose_file() -> None:
    manifest, compose = read(UMBREL / "umbrel-app.yml"), read(UMBREL / "docker-compose.yml")
    assert (manifest["manifestVersion"], manifest["id"], manifest["version"]) == (1, UMBREL.name, VERSION)
    assert manifest["port"] == _DEFAULT.web_port
    front = compose["services"]["app_proxy"]["environment"]
    assert (front["APP_HOST"], front["APP_PORT"]) == (f"{manifest['id']}_server_1", _DEFAULT.web_port)
    server = ours(compose)["environment"]
    assert server["DPMP_ADMIN_PASSWORD"] == "${APP_PASSWORD}" and manifest["deterministicPassword"] is True
    assert server["DPMP_WIDGET"] == "yes"
    assert manifest["widgets"][0]["endpoint"] == f"server:{_DEFAULT.web_port}/widget/"
    exports = (UMBREL / "exports.sh").read_text()
    assert (
        f'"{_DEFAULT.stratum_port}"' in exports and f"http://{front['APP_HOST']}:{_DEFAULT.web_port}/api/v1" in exports
    )


@pytest.mark.parametrize("status, code", [(200, 0), (503, 1)])
def test_the_health_check_follows_the_pages(status: int, code: int, tmp_path: Path) -> None:
    class Pages(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    script = (ROOT / "packaging" / "container" / "healthy.py").read_text()
    with HTTPServer(("127.0.0.1", 0), Pages) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        here = tmp_path / "healthy.py"
        here.write_text(script.replace(f":{_DEFAULT.web_port}/", f":{server.server_address[1]}/"))
        assert subprocess.run([sys.executable, here], check=False, timeout=60, capture_output=True).returncode == code
        server.shutdown()


def test_the_start_makes_the_tables_and_the_first_person_and_then_runs_as_the_process_itself() -> None:
    lines = (ROOT / "packaging" / "container" / "start.sh").read_text().splitlines()
    commands = [line for line in lines if line.startswith(("dpmp ", "exec "))]
    assert [line.split()[1] for line in commands[:2]] == ["migrate", "bootstrap"]
    assert commands[2].startswith("exec dpmp runproxy ")
