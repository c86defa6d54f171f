"""Socket units that were written for other settings are told, each with what it listens on."""

from pathlib import Path

import pytest

from proxy.ops.socket_units import disagreements, unit_folder

WANTED = {"stratum": ("0.0.0.0", 3351), "tls": ("0.0.0.0", 0), "web": ("::1", 8855)}


def write(folder: Path, **listens: str) -> None:
    for name, address in listens.items():
        (folder / f"dpmp-{name}.socket").write_text(f"[Socket]\nListenStream={address}\nBacklog=1024\n")


@pytest.mark.parametrize("stratum", ["0.0.0.0:3351", "3351"])
def test_units_that_say_the_same_and_no_units_at_all_are_fine(tmp_path: Path, stratum: str) -> None:
    assert list(disagreements(tmp_path, WANTED)) == []
    write(tmp_path, stratum=stratum, web="[::1]:8855")
    assert list(disagreements(tmp_path, WANTED)) == []


def test_another_port_a_missing_unit_and_one_too_many_are_told(tmp_path: Path) -> None:
    write(tmp_path, stratum="0.0.0.0:3333", web="nonsense")
    assert list(disagreements(tmp_path, WANTED | {"tls": ("0.0.0.0", 3352)})) == [
        "dpmp-stratum.socket listens on 0.0.0.0:3333, and 0.0.0.0:3351 is configured",
        "there is no dpmp-tls.socket, and port 3352 is configured",
        "dpmp-web.socket listens on ?:0, and [::1]:8855 is configured",
    ]
    write(tmp_path, stratum="0.0.0.0:3351", tls="0.0.0.0:3352", web="[::1]:8855")
    assert list(disagreements(tmp_path, WANTED)) == [
        "dpmp-tls.socket listens on 0.0.0.0:3352, and that port is switched off"
    ]


def test_units_are_where_systemd_looks_for_those_of_a_user(tmp_path: Path) -> None:
    assert unit_folder({"XDG_CONFIG_HOME": str(tmp_path)}) == tmp_path / "systemd" / "user"
    assert unit_folder({}) == Path.home() / ".config" / "systemd" / "user"
