"""Settings: from the environment, files of secrets, a TOML file, and defaults, in that order.

::

    LEGATO_PORT=8080                      a setting is a variable with that prefix
    LEGATO_API_SECRET_FILE=/run/secrets/x any setting may be in a file of its own
    LEGATO_SECRETS_DIR=/run/secrets       … or in a directory of such files, named like the variables in lower case
    legato.toml                           below, or where LEGATO_CONFIG says

``legato.default.toml`` beside this module lists every setting with its default and what it is for. An empty text stands
for "not set". No room is imported here, so that commands start fast: what rooms bound is written here again, and a test
holds the two together.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from legato.installation import Installation

PREFIX: Final = "LEGATO_"
DEFAULT_FILE: Final = Path(__file__).with_name("legato.default.toml")
# Where a configuration is looked for when nobody says where it is; the first that exists.
CONFIG_FILES: Final = (Path("legato.toml"), Path("/etc/legato/legato.toml"))
SPARE_FILES: Final = 256  # open at a time beside the sockets: downloads, the database, requests
MAX_SECRET_FILE: Final = 16 * 1024  # bytes; a key or a password, not the wrong file
# Variables of this prefix that are not settings.
OTHER_VARIABLES: Final = frozenset(
    ("LEGATO_CONFIG", "LEGATO_SECRETS_DIR", "LEGATO_SERVER", "LEGATO_PRIVATE_KEY_FILE", "LEGATO_WEBHOOK_SECRET")
)


class SettingsError(Exception):
    """The settings cannot be used. The text names each setting and what it must be, and never shows a value."""


def _unset(value: Any) -> Any:
    return None if value == "" else value


def _origin(value: Any) -> Any:
    """An http(s) URL without query, fragment and trailing slash."""
    if value is None or not isinstance(value, str):
        return value
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment or parts.username:
        raise ValueError("must be an http or https URL with a host, and without user, query and fragment")
    return value.rstrip("/")


OptionalText = Annotated[str | None, BeforeValidator(_unset)]
OptionalPath = Annotated[Path | None, BeforeValidator(_unset)]
ApiKey = Annotated[str, Field(pattern=r"^[A-Za-z0-9]{1,64}$")]
ApiSecret = Annotated[SecretStr, Field(min_length=8, max_length=128)]
SignatureSecret = Annotated[SecretStr, Field(min_length=32, max_length=256)]
MetricsToken = Annotated[SecretStr, Field(min_length=16, max_length=256)]
Origin = Annotated[str | None, BeforeValidator(_origin), BeforeValidator(_unset)]
Bytes = Annotated[int, Field(ge=1)]
Count = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Rate = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Settings(BaseSettings):
    """Everything that can be set. What each is for stands in ``legato.default.toml``; units are in the names.

    Build it with ``load``, whose errors never show a secret.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="forbid", env_ignore_empty=True, hide_input_in_errors=True
    )

    # -- where the server is reached
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8770
    public_url: Origin = None
    websocket_url: Origin = None
    region: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,32}$")] = "local"
    tls_certificate: OptionalPath = None
    tls_key: OptionalPath = None
    trusted_proxies: str = "127.0.0.1"

    # -- where things are kept
    data_dir: Path = Path(".legato")
    database_url: Annotated[OptionalText, Field(repr=False)] = None
    files_dir: OptionalPath = None
    bus_url: Annotated[OptionalText, Field(repr=False)] = None
    node_name: Annotated[str, Field(max_length=64)] = ""
    retention_seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0

    # -- the account, at the first start
    api_key: Annotated[ApiKey | None, BeforeValidator(_unset)] = None
    api_secret: Annotated[ApiSecret | None, BeforeValidator(_unset)] = None
    signature_secret: Annotated[SignatureSecret | None, BeforeValidator(_unset)] = None

    # -- what callers may use up
    max_body_bytes: Bytes = 256 * 1024
    max_image_bytes: Bytes = 15 * 1024 * 1024
    max_media_bytes: Bytes = 100 * 1024 * 1024
    queue_bound: Count = 4096
    address_rate: Rate = 10.0
    address_burst: Rate = 2_000.0
    user_rate: Rate = 200.0
    user_burst: Rate = 1_000.0
    application_rate: Rate = 20_000.0
    application_burst: Rate = 40_000.0

    # -- client sessions
    max_sessions_per_user: Count = 50
    max_sockets: Count = 20_000
    max_buffered_bytes: Bytes = 1024 * 1024
    ping_interval_seconds: Seconds = 25.0
    ping_timeout_seconds: Seconds = 20.0
    token_grace_seconds: Rate = 30.0
    session_ttl_seconds: Seconds = 900.0

    # -- webhooks
    webhook_retry_seconds: Seconds = 5.0
    webhook_poison_seconds: Seconds = 120.0
    webhook_give_up_seconds: Seconds = 5 * 24 * 3600.0
    webhook_attempts_seconds: Seconds = 7 * 24 * 3600.0
    dangerous_allow_private_addresses: bool = False

    # -- how conversations read
    render_text: bool = True

    # -- the process
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Annotated[Literal["json", "text"] | None, BeforeValidator(_unset)] = None
    metrics_token: Annotated[MetricsToken | None, BeforeValidator(_unset)] = None

    @model_validator(mode="after")
    def _together(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key go together")
        return self

    @property
    def max_files(self) -> int:
        """How many files and sockets may have to be open at a time."""
        return self.max_sockets + SPARE_FILES

    @property
    def is_tls(self) -> bool:
        """Whether the server itself speaks TLS."""
        return self.tls_certificate is not None

    @property
    def origin(self) -> str:
        """The URL that links are written on: ``public_url``, else where the server listens."""
        if self.public_url is not None:
            return self.public_url
        # Whoever listens everywhere is at least reached from the same machine.
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.host, self.host)  # noqa: S104 - compared, not bound
        if ":" in host and not host.startswith("["):
            host = f"[{host}]"
        return f"{'https' if self.is_tls else 'http'}://{host}:{self.port}"

    @property
    def database(self) -> str:
        """The database's URL: ``database_url``, else a SQLite file in ``data_dir``."""
        return self.database_url or f"sqlite:///{self.data_dir / 'legato.db'}"

    @property
    def is_sqlite(self) -> bool:
        """Whether the database is a file that only one process may open."""
        return self.database.startswith("sqlite")

    @property
    def installation(self) -> Installation:
        """What opens the database first claims it: a SQLite file's lock lies beside it, whatever path leads there."""
        file = self.database.partition("///")[2].partition("?")[0] if self.is_sqlite else ""
        return Installation(
            self.data_dir, Path(f"{Path(file).resolve()}.lock") if file and file != ":memory:" else None
        )

    @property
    def files(self) -> Path:
        """Where the bytes of media are: ``files_dir``, else a directory in ``data_dir``."""
        return self.files_dir or self.data_dir / "files"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The order of the module's docstring."""
        sources = [init_settings, env_settings, _FileVariables(settings_cls)]
        directory = os.environ.get("LEGATO_SECRETS_DIR")
        if directory:
            sources.append(SecretsSettingsSource(settings_cls, secrets_dir=directory, env_prefix=PREFIX))
        config = config_file()
        if config is not None:
            sources.append(TomlConfigSettingsSource(settings_cls, toml_file=config))
        return tuple(sources)


class _FileVariables(PydanticBaseSettingsSource):
    """``LEGATO_<SETTING>_FILE``: the setting is what the file holds, less the blanks around it."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        """Not asked for: ``__call__`` reads them all."""
        raise NotImplementedError

    def __call__(self) -> dict[str, Any]:
        """Every setting whose variable names a file."""
        found: dict[str, Any] = {}
        for name in self.settings_cls.model_fields:
            variable = f"{PREFIX}{name.upper()}_FILE"
            path = os.environ.get(variable)
            if not path:
                continue
            if os.environ.get(variable.removesuffix("_FILE")):
                raise SettingsError(f"{variable.removesuffix('_FILE')} and {variable} are both set")
            try:
                with Path(path).open("rb") as file:
                    content = file.read(MAX_SECRET_FILE + 1)
                found[name] = content.decode().strip()
            except (OSError, UnicodeDecodeError) as error:
                raise SettingsError(f"{variable}: {path} cannot be read ({type(error).__name__})") from error
            if len(content) > MAX_SECRET_FILE:
                raise SettingsError(f"{variable}: {path} is larger than {MAX_SECRET_FILE} bytes")
        return found


def config_file() -> Path | None:
    """The TOML file in use: what LEGATO_CONFIG names, else the first of CONFIG_FILES that exists."""
    named = os.environ.get("LEGATO_CONFIG")
    if named:
        if not Path(named).is_file():
            raise SettingsError(f"LEGATO_CONFIG: there is no file {named}")
        return Path(named)
    return next((path for path in CONFIG_FILES if path.is_file()), None)


def load(**changes: Any) -> Settings:
    """The settings as they are set, with ``changes`` above everything. Raises SettingsError."""
    try:
        return Settings(**{name: value for name, value in changes.items() if value is not None})
    except ValidationError as error:
        raise SettingsError("\n".join(_told(each) for each in error.errors(include_input=False))) from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{config_file()} is not TOML: {error}") from error


def _told(error: Mapping[str, Any]) -> str:
    name = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        return f"{name}: there is no such setting"
    text = str(error["msg"]).removeprefix("Value error, ")
    return f"{name}: {text}" if name else text


def unknown_variables(environment: Mapping[str, str]) -> list[str]:
    """Variables that begin like settings and are none: most often a slip of the pen that nothing else would notice."""
    known = {f"{PREFIX}{name.upper()}{end}" for name in Settings.model_fields for end in ("", "_FILE")}
    return sorted(
        name for name in environment if name.startswith(PREFIX) and name not in known and name not in OTHER_VARIABLES
    )
