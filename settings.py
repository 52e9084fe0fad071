"""The environment: names, defaults and validation of every setting.

Values come from the process environment or from `.env` beside this file; an empty value means
"not set". This module opens no connection.
"""

import logging
import re
import sys
from collections.abc import Iterator
from difflib import get_close_matches
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote, urlsplit

from dotenv.parser import parse_stream
from psycopg2 import ProgrammingError
from psycopg2.extensions import parse_dsn
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

HERE = Path(__file__).resolve().parent
PLACEHOLDER_SECRET = "your-32-char-secret-here"  # noqa: S105 (refused as a secret)
# What Better Auth itself asks for. Whoever has a token can try secrets until one has signed it.
SECRET_CHARACTERS_MIN = 32

# Better Auth reads the version with JavaScript's parseInt, which ignores what follows the digits,
# and for which more than 308 of them are infinity.
VERSION_AND_SECRET = re.compile(r"\s*([+-]?[0-9]{1,308})(?![0-9])[^:]*:(.*)", re.DOTALL)

# Uvicorn's STARTUP_FAILURE: uvicorn does not restart a worker that exits with this code.
EXIT_CODE_NO_RESTART = 3

# A URL with several hosts, in three parts, of which the second lists them as libpq has it:
# https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS
# SQLAlchemy does not read this; the user's part is what SQLAlchemy takes for it.
SEVERAL_HOSTS = re.compile(
    r"(\w[\w+]*://(?:[^:/]*(?::[^@]*)?@)?+)([^/?@]*,[^/?@]*)([/?].*)?", re.DOTALL
)

# Query parameters that hosts put into URLs for Prisma; libpq refuses a URL that has one.
PRISMA_OPTIONS = frozenset({"pgbouncer", "connection_limit", "pool_timeout", "schema"})
SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
PORT_MAX = 65535
# Origins of nobody: a regex that matches one of them would match those of everybody. `null` is what
# browsers send for pages of no origin, a sandboxed frame's for example.
STRANGERS = ("https://nobody.example", "http://nobody.example", "null")
LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
# It stands in a header, in quotes.
MCP_ENDPOINT = re.compile(r"(?i:https?)://[\w.:\[\]-]+(/[!$-.0-;=A-Z_a-z~]+)*/mcp", re.ASCII)
# Better Auth's and Payload's own names in a shared `.env`: they resemble settings, and are none.
NAMES_OF_OTHERS = frozenset({"BETTER_AUTH_KV_URL", "DATABASE_URI"})


class StartupError(Exception):
    """The server cannot start. The text is one line for the operator."""


def http_url(value: str) -> str:
    if not value.isprintable() or any(map(str.isspace, value)):
        raise ValueError("must not contain white space or control characters")
    try:
        parts = urlsplit(value)
        is_http = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:  # of a port or an IPv6 address
        is_http = False
    if not is_http:
        raise ValueError("must be an http or https URL, for example http://localhost:3000")
    if parts.username or parts.password:
        raise ValueError("must not contain a user name or password")
    return value.rstrip("/")


def origin_of(url: str) -> str:
    """Reduce `url` to its origin as browsers send it: lower case, without a default port."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    default_port = {"http": 80, "https": 443}[parts.scheme]
    port = "" if parts.port in {None, default_port} else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}"


def mcp_url(value: str) -> str:
    url = value.removesuffix("/")
    http_url(url)
    parts = urlsplit(url)
    if parts.scheme == "http" and parts.hostname not in LOOPBACK_HOSTS:
        raise ValueError("must be an https URL, or an http URL of localhost")
    if not MCP_ENDPOINT.fullmatch(url):
        raise ValueError(
            "must end with /mcp, without a user name, query or fragment,"
            " for example https://api.example.com/mcp"
        )
    if find_spec("mcp") is None:
        raise ValueError("is set, but mcp is not installed: pip install -r requirements-mcp.txt")
    return url


def bare_origin(value: str) -> str:
    if urlsplit(value)[2:] != ("", "", ""):
        raise ValueError("must list origins without a path, comma-separated")
    return origin_of(value)


def listed_origins(value: str) -> tuple[str, ...]:
    if "*" in value:
        raise ValueError(
            "must not contain *: "
            "CORS_ORIGIN_REGEX takes patterns, of preview deployments for example"
        )
    return tuple(item.strip() for item in value.split(",") if item.strip())


def origin_regex(value: str) -> str:
    try:
        pattern = re.compile(value)
    except (re.error, OverflowError, RecursionError):
        raise ValueError("is not a regular expression of Python") from None
    for stranger in STRANGERS:
        if pattern.fullmatch(stranger):
            raise ValueError(
                f"lets strangers in: it matches {stranger}; "
                r"for example https://tasks-[a-z0-9-]+-team\.vercel\.app does not"
            )
    return value


def database_url(value: str) -> URL:
    """Parse any PostgreSQL URL that Neon or another host hands out, or a URL of SQLite."""
    # Neon's console also shows the URL as an argument of psql.
    text = value.strip().removeprefix("psql ").strip(" '\"")
    several = SEVERAL_HOSTS.fullmatch(text)
    try:
        url = make_url(f"{several[1]}{several[3] or ''}" if several else text)
    except (ArgumentError, ValueError):
        raise ValueError("is not a database URL") from None
    backend = url.drivername.lower().partition("+")[0]
    if backend == "sqlite":
        if url.database and not Path(url.database).parent.is_dir():
            raise ValueError("names a file in a folder that does not exist")
        return url.set(drivername="sqlite")
    if backend not in {"postgres", "postgresql"}:
        raise ValueError("must start with postgresql:// (or sqlite:///)")
    if value.count("@") > 1:
        # SQLAlchemy takes what follows the first @ for the host, which the log shows.
        raise ValueError("has an @ in its password, which must be written as %40")
    if several:
        url = url.update_query_dict(_hosts_and_ports(several[2]))
    return _postgresql_url(url)


def _hosts_and_ports(listed: str) -> dict[str, str]:
    """Split `a:5432,[::1]:5433,c` as libpq does: into `a,::1,c` and `5432,5433,`."""
    try:
        options = parse_dsn(f"postgresql://{listed}/")
    except ProgrammingError:
        raise ValueError("lists its hosts in a form that libpq does not read") from None
    return {name: options[name] for name in ("host", "port")}


def _postgresql_url(url: URL) -> URL:
    hosts = url.query.get("host")
    if isinstance(hosts, tuple) and "port" not in url.query:
        # SQLAlchemy's spelling `?host=a:5432&host=[::1]:5433`, of which it misreads the last.
        listed = ",".join(quote(host, safe=":[]") for host in hosts)
        url = url.update_query_dict(_hosts_and_ports(listed))
    # SQLAlchemy's default driver for postgresql:// is psycopg 3.
    url = url.set(drivername="postgresql+psycopg2").difference_update_query(PRISMA_OPTIONS)
    for option in url.query:
        try:
            parse_dsn(f"{option}=x")
        except ProgrammingError:
            raise ValueError(f"has an unknown option: {option}") from None
    if url.query.get("sslmode", "prefer") not in SSL_MODES:
        raise ValueError(f"has an unknown sslmode; known are {', '.join(SSL_MODES)}")
    try:
        _, options = url.get_dialect()().create_connect_args(url)
    except ArgumentError:
        raise ValueError("names ports that are none, or do not fit its hosts") from None
    if not all(options.get("host", "").split(",")):
        raise ValueError("names no host, or an empty one")
    if not all(0 < int(port or 1) <= PORT_MAX for port in str(options.get("port", "")).split(",")):
        raise ValueError(f"has a port beyond {PORT_MAX}")
    return url


def versioned_secrets(value: str) -> tuple[str, ...]:
    """Parse `2:new,1:old` as Better Auth's `parseSecretsEnv` does. Errors quote no secret."""
    secrets: dict[int, str] = {}
    for position, entry in enumerate(value.split(","), 1):
        match = VERSION_AND_SECRET.fullmatch(entry)
        version, secret = (int(match[1]), match[2].strip()) if match else (-1, "")
        if version < 0 or not secret:
            raise ValueError(f"must be of the form 2:new,1:old, which its entry {position} is not")
        if version in secrets:
            raise ValueError(f"names the version of its entry {position} twice")
        if secret == PLACEHOLDER_SECRET:
            raise ValueError("holds the placeholder of .env.example: use the front end's own value")
        secrets[version] = only_text(secret)
    return tuple(secrets.values())


def only_text(secret: str) -> str:
    if any("\ud800" <= character <= "\udfff" for character in secret):
        raise ValueError("is not UTF-8")
    return secret


HttpUrl = Annotated[str, AfterValidator(http_url)]
MCPUrl = Annotated[str, AfterValidator(mcp_url)]
Origin = Annotated[HttpUrl, AfterValidator(bare_origin)]
Origins = Annotated[tuple[Origin, ...], NoDecode, BeforeValidator(listed_origins)]
OriginRegex = Annotated[str, AfterValidator(origin_regex)]
DatabaseUrl = Annotated[
    SecretStr,
    BeforeValidator(lambda value: database_url(value).render_as_string(hide_password=False)),
]
Secret = Annotated[SecretStr, BeforeValidator(only_text)]
Secrets = Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(versioned_secrets)]


class Settings(BaseSettings):
    """Every setting, validated once and then frozen. The `repr` shows no secret."""

    model_config = SettingsConfigDict(
        env_file=HERE / ".env",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
        validate_default=False,
    )

    neon_database_url: DatabaseUrl | None = None
    database_url: DatabaseUrl = SecretStr(f"sqlite:///{HERE / 'tasks.db'}")
    better_auth_secret: Secret | None = None
    better_auth_secrets: Secrets = ()
    better_auth_url: HttpUrl = "http://localhost:3000"
    better_auth_jwks_url: HttpUrl | None = None
    better_auth_issuer: str | None = None
    better_auth_audience: str | None = None
    cors_origins: Origins = ()
    cors_origin_regex: OriginRegex | None = None
    mcp_url: MCPUrl | None = None
    database_pool_size: int = Field(default=20, ge=1, le=1000)
    log_format: Literal["text", "json"] = "text"

    # Each request looks its verifier up by them: by the object, not by every value.
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    @model_validator(mode="before")
    @classmethod
    def prefer_neon_database_url(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Drop DATABASE_URL unjudged where NEON_DATABASE_URL is set: it may be of other code."""
        if "neon_database_url" in values:
            values.pop("database_url", None)
        return values

    @property
    def database(self) -> URL:
        return make_url((self.neon_database_url or self.database_url).get_secret_value())

    @property
    def database_is_default(self) -> bool:
        """Whether no setting names the database, which is a local file then."""
        return not self.model_fields_set & {"neon_database_url", "database_url"}

    @property
    def database_setting(self) -> str:
        """The setting that names the database, or that should."""
        return "DATABASE_URL" if "database_url" in self.model_fields_set else "NEON_DATABASE_URL"

    @property
    def front_end_origin(self) -> str:
        return origin_of(self.better_auth_url)

    @property
    def better_auth_base_url(self) -> str:
        """The issuer of OAuth tokens. A path in BETTER_AUTH_URL is Better Auth's base path."""
        base_path = "" if urlsplit(self.better_auth_url).path else "/api/auth"
        return self.better_auth_url + base_path

    @property
    def jwks_url(self) -> str:
        return self.better_auth_jwks_url or f"{self.better_auth_base_url}/jwks"

    @property
    def issuer(self) -> str:
        return self.better_auth_issuer or self.front_end_origin

    @property
    def audience(self) -> str:
        return self.better_auth_audience or self.front_end_origin

    @property
    def allowed_origins(self) -> tuple[str, ...]:
        """The origins whose pages may read the answers."""
        return self.cors_origins or (self.front_end_origin,)

    def allows(self, origin: str) -> bool:
        """Whether pages of this origin may read the answers, as the CORS middleware decides it."""
        regex = self.cors_origin_regex
        return origin in self.allowed_origins or bool(regex and re.fullmatch(regex, origin))

    @property
    def resource_metadata_url(self) -> str | None:
        """Where RFC 9728 (section 3.1) has the metadata of MCP_URL."""
        if self.mcp_url is None:
            return None
        path = urlsplit(self.mcp_url).path
        return f"{self.mcp_url.removesuffix(path)}/.well-known/oauth-protected-resource{path}"

    @property
    def described_origins(self) -> str:
        return ", ".join(filter(None, (*self.allowed_origins, self.cors_origin_regex)))

    @property
    def shared_secrets(self) -> tuple[str, ...]:
        """The secrets that verify HS256 tokens. Better Auth signs with the first."""
        secrets = (*self.better_auth_secrets, *filter(None, [self.better_auth_secret]))
        values = (secret.get_secret_value() for secret in secrets)
        return tuple(value for value in values if not value.isspace())

    def required_secret(self) -> str:
        """Give the secret that the front end signs with. Raises `StartupError` without one."""
        secrets = self.shared_secrets
        if not secrets:
            raise StartupError("BETTER_AUTH_SECRET is not set: use the front end's own value")
        if PLACEHOLDER_SECRET in secrets:
            raise StartupError(
                "BETTER_AUTH_SECRET is still the placeholder of .env.example: "
                "use the front end's own value"
            )
        return secrets[0]

    def short_secrets(self) -> Iterator[str]:
        """Name the secrets that are easier to guess than Better Auth's own would be."""
        alone = self.better_auth_secret and self.better_auth_secret.get_secret_value()
        if alone and not alone.isspace() and len(alone) < SECRET_CHARACTERS_MIN:
            yield "BETTER_AUTH_SECRET"
        for position, secret in enumerate(self.better_auth_secrets, 1):
            if len(secret.get_secret_value()) < SECRET_CHARACTERS_MIN:
                yield f"Entry {position} of BETTER_AUTH_SECRETS"


def misspelt_names() -> Iterator[tuple[str, str]]:
    """The names in `.env` that are no settings and resemble one, each with that one."""
    file = Settings.model_config["env_file"]
    if not isinstance(file, Path) or not file.is_file():
        return
    known = [name.upper() for name in Settings.model_fields]
    with file.open(encoding="utf-8") as lines:
        names = dict.fromkeys(binding.key for binding in parse_stream(lines) if binding.key)
    for name in names:
        if name.upper() not in NAMES_OF_OTHERS.union(known):
            # One wrong letter of seven weighs more than one of ten.
            cutoff = 0.9 if len(name) > len("MCP_URL") else 0.85
            for resembled in get_close_matches(name.upper(), known, n=1, cutoff=cutoff):
                yield name, resembled


def _name_dotenv(record: logging.LogRecord) -> bool:
    """Say which file it is whose line python-dotenv cannot parse."""
    record.msg = f".env: {record.msg}"
    return True


logging.getLogger("dotenv.main").addFilter(_name_dotenv)


@lru_cache
def get_settings() -> Settings:
    """Read the settings once. An invalid one ends the process with one line on stderr."""
    try:
        return Settings()
    except ValidationError as error:
        faults = (
            f"{str(fault['loc'][0]).upper()}"
            f" {fault['msg'].removeprefix('Value error, ').replace('Input should be', 'must be')}"
            for fault in error.errors(include_input=False, include_url=False)
        )
        reason = "; ".join(dict.fromkeys(faults))
    except UnicodeDecodeError:
        reason = ".env is not UTF-8"
    print("Configuration error:", reason, file=sys.stderr)
    raise SystemExit(EXIT_CODE_NO_RESTART)
