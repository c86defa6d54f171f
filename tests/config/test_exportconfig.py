"""The configuration leaves as JSON and comes back the same; secrets only when asked for."""

import io
import json
import stat

import pytest
from django.core.management import CommandError, call_command

from proxy.config.export import export_config
from proxy.config.loader import current_revision, load_snapshot
from proxy.models import (
    AlertRule,
    AlertSettings,
    AlertTarget,
    BalanceSource,
    FirmwareRule,
    Pool,
    ProxySettings,
    Schedule,
    VardiffRule,
    Wallet,
    WeightOverride,
    WorkerPin,
)
from tests.config.rows import make_pool, make_schedule

pytestmark = pytest.mark.django_db


@pytest.fixture
def configured():
    one, two = make_pool("A"), make_pool("B")
    one.password = "pool-secret"
    one.save()
    make_schedule({one: 70, two: 30}, is_default=True)
    WorkerPin(worker="rig", pool=two).save()
    FirmwareRule(agent="odd*", profile="avalon", position=2, note="old board", enabled=True).save()
    VardiffRule(name="Avalons", profile="avalon", shares_per_minute=6).save()
    ProxySettings(stratum_port=4444, miner_password="miner-secret").save()
    BalanceSource(kind="node", chain="BTC", url="http://127.0.0.1:8332", user="me", password="node-secret").save()
    target = AlertTarget(label="hook", url="json://me:alert-secret@127.0.0.1/x")
    target.save()
    AlertRule.ensure()
    rule = AlertRule.objects.get(kind="pool_down")
    rule.targets.add(target)
    AlertSettings(time_zone="Europe/Berlin").save()
    WeightOverride.put(by="me", weights={"A": 25.0, "B": 75.0})


def forget():
    for model in (
        FirmwareRule,
        VardiffRule,
        WorkerPin,
        Schedule,
        Pool,
        Wallet,
        ProxySettings,
        BalanceSource,
        AlertRule,
        AlertTarget,
        AlertSettings,
        WeightOverride,
    ):
        for row in model.objects.all():
            row.delete()


def plain(text):
    document = json.loads(text)
    del document["exported_at"]
    return document


def run(path, *options):
    out = io.StringIO()
    call_command("importconfig", str(path), *options, stdout=out)
    return out.getvalue()


@pytest.mark.no_cover
def test_secrets_stay_unless_asked_for(configured):
    for secret in ("pool-secret", "node-secret", "alert-secret", "miner-secret"):
        assert secret not in export_config()
        assert secret in export_config(secrets=True)


def test_rows_refer_to_each_other_by_name(configured):
    document = plain(export_config())
    assert document["pools"][0]["wallet"] == Wallet.objects.get(pools__key="A").label
    assert [part["pool"] for part in document["schedules"][0]["allocations"]] == ["A", "B"]
    assert document["alert_rules"][0]["targets"] == ["hook"]


@pytest.mark.no_cover
def test_export_comes_back_the_same(configured, tmp_path):
    text, before = export_config(secrets=True), load_snapshot()
    (tmp_path / "mine.json").write_text(text)
    forget()
    said = run(tmp_path / "mine.json")
    assert "Pool A: added" in said and "Override: added" in said
    assert plain(export_config(secrets=True)) == plain(text)
    assert load_snapshot().pools == before.pools


@pytest.mark.no_cover
def test_second_import_changes_nothing(configured, tmp_path):
    (tmp_path / "mine.json").write_text(export_config())
    revision = current_revision()
    said = run(tmp_path / "mine.json")
    assert "added" not in said and "changed" not in said.replace("unchanged", "")
    assert current_revision() == revision
    assert Pool.objects.get(key="A").password == "pool-secret"


@pytest.mark.no_cover
def test_check_says_what_it_would_do_and_does_nothing(configured, tmp_path):
    document = json.loads(export_config())
    document["pools"][0]["name"] = "renamed"
    (tmp_path / "mine.json").write_text(json.dumps(document))
    said = run(tmp_path / "mine.json", "--check")
    assert "Pool A: changed" in said and "nothing was changed" in said
    assert Pool.objects.get(key="A").name != "renamed"


def test_target_without_its_address_is_left_out_and_said(configured, tmp_path):
    (tmp_path / "mine.json").write_text(export_config())
    forget()
    assert "Alert target hook: left out" in run(tmp_path / "mine.json")
    assert not AlertTarget.objects.exists()


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ('{"pools": [{"key": "A", "name": null}]}', "must not be null"),
        ('{"pools": [{"key": ["A"]}]}', "key cannot be"),
        ('{"balance_sources": [{"position": "first", "kind": "node"}]}', "expected a number"),
        ('{"balance_sources": [{"position": 9223372036854775808, "kind": "node"}]}', "less than or equal"),
        ('{"settings": {"stratum_port": [1]}}', "must be an integer"),
        ('{"settings": {"stratum_port": 1e999}}', "cannot be inf"),
        ('{"settings": {"stratum_port": NaN}}', "must be an integer|cannot be nan"),
        ('{"settings": {"stratum_port": 9223372036854775808}}', "less than or equal"),
        ('{"settings": {"dial_timeout_s": "nan"}}', "cannot be nan"),
        ('{"wallets": [{"label": "\\ud800"}]}', "is no JSON"),
        ('{"alert_settings": {"summary_at": 8}}', "cannot be 8"),
        ('{"alert_rules": [{"kind": "pool_down", "targets": 5}]}', "must be a list"),
        ('{"override": {"kind": "weights", "weights": "A"}}', "weights must be an object"),
        ('{"override": {"kind": "weights", "weights": {"A": 1}, "until": "2026-13-40T25:00:00"}}', "is no moment"),
    ],
)
def test_values_that_no_column_can_hold_are_a_sentence(tmp_path, values, sentence):
    path = tmp_path / "export.json"
    path.write_text('{"format": "dpmp-config", "format_version": 1, ' + values[1:])
    with pytest.raises(CommandError, match=sentence):
        call_command("importconfig", str(path), stdout=io.StringIO())


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"pools": [{"key": "A", "wallet": "nobody"}]}, 'there is no wallet "nobody"'),
        ({"pools": "x"}, '"pools" must be a list of objects'),
        ({"format_version": 99}, "no export of DPMP that this version can read"),
        ({"settings": {"stratum_port": "many"}}, "must be an integer"),
        ({"settings": {"stratum_port": 0}}, "greater than or equal to 1"),
    ],
)
def test_what_cannot_be_used_is_explained_and_changes_nothing(configured, tmp_path, change, sentence):
    (tmp_path / "mine.json").write_text(json.dumps(json.loads(export_config()) | change))
    before = plain(export_config())
    with pytest.raises(CommandError, match=sentence):
        run(tmp_path / "mine.json")
    assert plain(export_config()) == before


@pytest.mark.no_cover
def test_section_of_a_newer_version_is_named(configured, tmp_path):
    (tmp_path / "mine.json").write_text(json.dumps(json.loads(export_config()) | {"rockets": []}))
    assert '"rockets" is not known here' in run(tmp_path / "mine.json")


def test_every_name_that_means_nothing_is_told_with_its_place(configured, tmp_path):
    document = json.loads(export_config())
    document["pools"][0]["colour"] = document["pools"][1]["colour"] = "red"
    document["pools"][0]["endpoints"][0]["prot"] = 3333
    document["settings"]["stratum_prot"] = 1
    (tmp_path / "mine.json").write_text(json.dumps(document))
    said = run(tmp_path / "mine.json", "--check")
    assert [line for line in said.splitlines() if "not known" in line] == [
        f'"{name}" is not known here and was left out.'
        for name in ("pools.colour", "pools.endpoints.prot", "settings.stratum_prot")
    ]


@pytest.mark.no_cover
def test_file_of_ours_names_nothing_unknown(configured, tmp_path):
    (tmp_path / "mine.json").write_text(export_config(secrets=True))
    assert "not known" not in run(tmp_path / "mine.json", "--check")


def test_file_is_private_and_never_overwritten(configured, tmp_path):
    path = tmp_path / "out.json"
    call_command("exportconfig", "--output", str(path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and json.loads(path.read_text())["format"] == "dpmp-config"
    with pytest.raises(CommandError, match="cannot be written"):
        call_command("exportconfig", "--output", str(path))
