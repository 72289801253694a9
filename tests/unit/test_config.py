"""Settings: where they come from, which wins, and what is said when they are wrong."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from legato.config import DEFAULT_FILE, Settings, SettingsError, config_file, load, unknown_variables


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No settings but a test's own."""
    import os

    for name in list(os.environ):
        if name.startswith("LEGATO_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def test_every_setting_stands_in_the_default_file_with_its_default(monkeypatch: pytest.MonkeyPatch) -> None:
    written = tomllib.loads(DEFAULT_FILE.read_text())
    assert list(written) == list(Settings.model_fields)
    defaults = load()
    monkeypatch.setenv("LEGATO_CONFIG", str(DEFAULT_FILE))
    assert load() == defaults


def test_every_setting_in_the_default_file_is_explained() -> None:
    explained = False
    for line in DEFAULT_FILE.read_text().splitlines():
        if line.startswith("#"):
            explained = not line.startswith("# --")
        elif not line:
            explained = False
        else:
            assert explained, line


def test_defaults_agree_with_the_bounds_of_the_rooms() -> None:
    from legato.api.image import MAX_IMAGE
    from legato.api.media import MAX_MEDIA
    from legato.api.settings import ApiSettings
    from legato.log.log import QUEUE_BOUND
    from legato.sessions.connection import EXPIRY_GRACE_SECONDS
    from legato.sessions.engine import Limits
    from legato.sessions.login import RESUMABLE_SECONDS

    settings, api, limits = load(), ApiSettings(), Limits()
    assert (settings.max_body_bytes, settings.max_image_bytes, settings.max_media_bytes) == (
        api.max_body,
        MAX_IMAGE,
        MAX_MEDIA,
    )
    assert (settings.user_rate, settings.user_burst) == (api.user_rate, api.user_burst)
    assert (settings.application_rate, settings.application_burst) == (api.application_rate, api.application_burst)
    assert (settings.origin, settings.region) == (api.public_url, api.region)
    assert settings.queue_bound == QUEUE_BOUND
    assert settings.token_grace_seconds == EXPIRY_GRACE_SECONDS
    assert settings.session_ttl_seconds == api.session_ttl == RESUMABLE_SECONDS
    assert (settings.ping_interval_seconds, settings.ping_timeout_seconds) == (
        limits.ping_interval,
        limits.ping_timeout,
    )
    assert (settings.max_sockets, settings.max_buffered_bytes) == (limits.max_sockets, limits.max_buffered)


def test_changes_win_over_the_environment_and_that_over_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "legato.toml").write_text('port = 1\nhost = "toml"\nregion = "toml"\nlog_level = "debug"\n')
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "legato_region").write_text("secrets\n")
    (secrets / "legato_host").write_text("secrets")
    (tmp_path / "host").write_text("file\n")
    monkeypatch.setenv("LEGATO_SECRETS_DIR", str(secrets))
    monkeypatch.setenv("LEGATO_HOST_FILE", str(tmp_path / "host"))
    monkeypatch.setenv("LEGATO_PORT", "2")
    settings = load(port=3, host=None)
    assert (settings.port, settings.host, settings.region, settings.log_level) == (3, "file", "secrets", "debug")
    assert load().port == 2


def test_a_file_that_the_environment_names_wins_over_the_one_beside(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "legato.toml").write_text("port = 1\n")
    (tmp_path / "other.toml").write_text("port = 2\n")
    assert config_file() == Path("legato.toml")
    monkeypatch.setenv("LEGATO_CONFIG", str(tmp_path / "other.toml"))
    assert load().port == 2


def test_empty_texts_are_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PUBLIC_URL", "DATABASE_URL", "TLS_KEY", "API_SECRET", "PORT", "API_SECRET_FILE"):
        monkeypatch.setenv(f"LEGATO_{name}", "")
    assert load() == Settings()


def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEGATO_API_SECRET", "hush-Hush-1")
    monkeypatch.setenv("LEGATO_SIGNATURE_SECRET", "hush" * 8)
    monkeypatch.setenv("LEGATO_METRICS_TOKEN", "hush" * 4)
    monkeypatch.setenv("LEGATO_DATABASE_URL", "postgresql://u:hush@db/x")
    settings = load()
    assert settings.api_secret is not None
    assert settings.api_secret.get_secret_value() == "hush-Hush-1"
    assert settings.database == "postgresql://u:hush@db/x"
    assert "hush" not in repr(settings) + str(settings)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "hush"),
        ("PORT", "65536"),
        ("API_SECRET", "hush"),
        ("SIGNATURE_SECRET", "hush"),
        ("PUBLIC_URL", "ftp://hush"),
        ("PUBLIC_URL", "https://user:hush@host"),
        ("WEBSOCKET_URL", "https://host/?hush"),
        ("USER_RATE", "-1"),
        ("USER_RATE", "inf"),
        ("PING_TIMEOUT_SECONDS", "0"),
        ("QUEUE_BOUND", "0"),
        ("LOG_LEVEL", "hush"),
        ("LOG_FORMAT", "hush"),
        ("METRICS_TOKEN", "hush"),
        ("RETENTION_SECONDS", "nan"),
        ("API_KEY", "hush hush"),
    ],
)
def test_a_wrong_value_is_refused_by_name_and_never_shown(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"LEGATO_{name}", value)
    with pytest.raises(SettingsError) as refused:
        load()
    assert str(refused.value).startswith(f"{name.lower()}: ")
    assert "hush" not in str(refused.value)


def test_a_setting_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    (tmp_path / "legato.toml").write_text("prot = 1\n")
    with pytest.raises(SettingsError, match="prot: there is no such setting"):
        load()


def test_a_configuration_that_is_not_toml_or_not_there_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "legato.toml").write_text("port: 1\n")
    with pytest.raises(SettingsError, match="not TOML"):
        load()
    monkeypatch.setenv("LEGATO_CONFIG", "nowhere.toml")
    with pytest.raises(SettingsError, match=r"nowhere\.toml"):
        load()


def test_a_value_and_its_file_do_not_go_together(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("from-the-file")
    monkeypatch.setenv("LEGATO_API_SECRET_FILE", str(tmp_path / "secret"))
    secret = load().api_secret
    assert secret is not None
    assert secret.get_secret_value() == "from-the-file"
    monkeypatch.setenv("LEGATO_API_SECRET", "from-the-environment")
    with pytest.raises(SettingsError, match="both set"):
        load()


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b"x" * 20_000])
def test_a_file_of_a_setting_that_cannot_be_read_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setenv("LEGATO_API_SECRET_FILE", str(path))
    with pytest.raises(SettingsError, match="LEGATO_API_SECRET_FILE"):
        load()


def test_certificate_and_key_go_together() -> None:
    assert load(tls_certificate="a.pem", tls_key="a.key").is_tls
    with pytest.raises(SettingsError, match="go together"):
        load(tls_certificate="a.pem")


@pytest.mark.parametrize(
    ("changes", "origin"),
    [
        ({}, "http://127.0.0.1:8770"),
        ({"host": "0.0.0.0", "port": 80}, "http://127.0.0.1:80"),
        ({"host": "::"}, "http://[::1]:8770"),
        ({"host": "fe80::1"}, "http://[fe80::1]:8770"),
        ({"tls_certificate": "a", "tls_key": "b"}, "https://127.0.0.1:8770"),
        ({"public_url": "https://chat.example.com/base/"}, "https://chat.example.com/base"),
    ],
)
def test_links_are_written_on_the_public_url_or_where_the_server_listens(
    changes: dict[str, object], origin: str
) -> None:
    assert load(**changes).origin == origin


def test_the_database_is_a_file_in_the_data_directory_unless_it_is_set() -> None:
    assert load().database == "sqlite:///.legato/legato.db"
    assert load(data_dir="/var/lib/legato").database == "sqlite:////var/lib/legato/legato.db"
    assert load().is_sqlite
    assert not load(database_url="postgresql://db/x").is_sqlite


def test_a_variable_that_is_no_setting_is_noticed() -> None:
    assert unknown_variables(
        {"LEGATO_PROT": "1", "LEGATO_PORT": "1", "LEGATO_API_SECRET_FILE": "x", "LEGATO_CONFIG": "x", "PATH": "x"}
    ) == ["LEGATO_PROT"]
