"""First run, later runs, and what a service refuses to start with."""

import stat
from dataclasses import replace
from pathlib import Path

import pytest

from inference.errors import ModelFileError
from inference.models import default_model_path
from ledger import ml_dsa
from ledger.checkpoint import open_checkpoint
from ledger.errors import LedgerError
from ledger.keys import SigningKey
from ledger.statement import open_statement
from tests.inference.small_vocabulary import sentencepiece_vocabulary
from tests.inference.tiny_model import PROVENANCE, tiny_model, write_model
from tests.ledger.soft_token import soft_token
from tests.web.conftest import ORIGIN, settings_in
from web.errors import SettingsError
from web.services import build_services
from web.settings import Settings


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_first_run_makes_home_keys_log_and_registrations(tmp_path: Path, tiny_model_path: Path) -> None:
    settings = settings_in(tmp_path / "home", tiny_model_path, origin=None)
    services = build_services(settings)
    assert services.log.origin.startswith("rail.local/")
    assert mode(settings.home) == 0o700
    assert mode(settings.log_key) == mode(settings.operator_key) == 0o600
    assert mode(settings.home / "rail.db") == mode(settings.home / "log.made") == 0o600
    assert [entry.type for entry in services.log.entries(0, 10)] == ["operator", "model"]
    assert services.log.operator(services.operator) is not None
    origin = services.log.origin
    services.close()

    again = build_services(settings)
    assert (again.log.origin, again.log.size()) == (origin, 2)
    again.close()


def test_the_log_key_may_be_in_a_token(tmp_path: Path, tiny_model_path: Path) -> None:
    (tmp_path / "token").mkdir()
    with soft_token(tmp_path / "token") as uri:
        settings = settings_in(tmp_path / "home", tiny_model_path, log_signer=uri)
        with pytest.raises(SettingsError) as nameless:
            build_services(replace(settings, origin=None))
        assert nameless.value.code == "origin_needed"
        services = build_services(settings)
        head = open_checkpoint(services.log.checkpoint(), services.log_key.verify_key, ORIGIN)
        assert head.size == 2 and not settings.log_key.exists()
        services.close()
        build_services(replace(settings, origin=None)).close()  # the home knows its log's name by now
        with pytest.raises(SettingsError) as renamed:
            build_services(replace(settings, origin="rail.test/other"))
        assert renamed.value.code == "origin_mismatch"


def test_the_shipped_model_is_registered_with_its_licence_and_sources(tmp_path: Path) -> None:
    services = build_services(settings_in(tmp_path / "home", default_model_path()))
    ((entry, statement),) = services.log.models()
    shipped = services.engine.model
    assert (statement.model_root, statement.name) == (shipped.root, shipped.config.name)
    assert statement.licence == "Apache-2.0"
    assert statement.sources == shipped.provenance["sources"]
    assert open_statement(entry.statement).operator == services.operator
    services.close()


def test_a_model_that_cannot_be_loaded_leaves_no_home(tmp_path: Path) -> None:
    bad = tmp_path / "bad.rail"
    bad.write_bytes(b"no model")
    with pytest.raises(ModelFileError):
        build_services(settings_in(tmp_path / "home", bad))
    assert not (tmp_path / "home").exists()


def test_another_model_is_registered_when_it_is_loaded(tmp_path: Path, tiny_model_path: Path) -> None:
    settings = settings_in(tmp_path / "home", tiny_model_path)
    build_services(settings).close()
    model = tiny_model()
    other = tmp_path / "other.rail"
    renamed = replace(model, config=replace(model.config, name="other"))
    write_model(other, renamed, sentencepiece_vocabulary(), None, PROVENANCE)
    services = build_services(replace(settings, model=other))
    assert [model.name for _, model in services.log.models()] == ["tiny", "other"]
    services.close()


def test_lost_database_is_an_error_never_a_new_log(tmp_path: Path, tiny_model_path: Path) -> None:
    settings = settings_in(tmp_path / "home", tiny_model_path)
    build_services(settings).close()
    for path in settings.home.glob("rail.db*"):
        path.unlink()
    with pytest.raises(LedgerError) as missing:
        build_services(settings)
    assert missing.value.code == "database_missing"
    assert not (settings.home / "rail.db").exists()


def test_start_that_was_cut_off_goes_on(tmp_path: Path, tiny_model_path: Path) -> None:
    settings = settings_in(tmp_path / "home", tiny_model_path)
    build_services(settings).close()
    (settings.home / "log.made").unlink()
    services = build_services(settings)
    assert services.log.size() == 2
    services.close()


def test_other_origin_for_an_existing_log_is_refused(tmp_path: Path, tiny_model_path: Path) -> None:
    settings = settings_in(tmp_path / "home", tiny_model_path)
    build_services(settings).close()
    with pytest.raises(SettingsError, match=ORIGIN) as mismatch:
        build_services(replace(settings, origin="rail.test/other"))
    assert mismatch.value.code == "origin_mismatch"


@pytest.mark.parametrize("origin", ["https://rail.test", "rail.test/", "rail test", "rail.test/a+b", ""])
def test_origin_must_be_a_prefix_without_scheme(tmp_path: Path, tiny_model_path: Path, origin: str) -> None:
    with pytest.raises(SettingsError) as bad:
        build_services(settings_in(tmp_path / "home", tiny_model_path, origin=origin))
    assert bad.value.code == "bad_origin"


def test_settings_come_from_the_environment_and_overrides_win(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAIL_HOME", str(tmp_path))
    monkeypatch.setenv("RAIL_MODEL", str(tmp_path / "m.rail"))
    monkeypatch.setenv("RAIL_PORT", "9000")
    monkeypatch.setenv("RAIL_THREADS", "2")
    settings = Settings.from_env(threads=3, origin=None)
    assert (settings.home, settings.port, settings.threads) == (tmp_path, 9000, 3)
    assert settings.database == f"sqlite:///{tmp_path / 'rail.db'}"
    assert settings.model == tmp_path / "m.rail"


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("RAIL_PORT", "http", "bad_number"),
        ("RAIL_PORT", "65536", "bad_port"),
        ("RAIL_MAX_TEXT_BYTES", "0", "bad_limit"),
        ("RAIL_VISIBILITY", "secret", "bad_visibility"),
    ],
)
def test_bad_setting_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str, code: str) -> None:
    monkeypatch.setenv("RAIL_MODEL", "m.rail")
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as bad:
        Settings.from_env()
    assert bad.value.code == code


def test_unknown_override_is_an_error() -> None:
    with pytest.raises(SettingsError, match="colour"):
        Settings.from_env(colour="green", model="m.rail")


def test_a_second_key_signs_checkpoints_on_request(tmp_path: Path, tiny_model_path: Path) -> None:
    if not ml_dsa.available():
        pytest.skip("this installation of cryptography has no ML-DSA-44")
    for _ in range(2):  # made, then opened again
        services = build_services(settings_in(tmp_path / "home", tiny_model_path, log_ml_dsa=True))
        second = SigningKey.load(services.settings.log_ml_dsa_key).verify_key
        note = services.log.checkpoint()
        assert open_checkpoint(note, services.log.key) == open_checkpoint(note, second)
        services.close()
    services = build_services(settings_in(tmp_path / "home", tiny_model_path))
    assert services.log.checkpoint() == note
    services.close()
