"""The settings of the stack, from the environment and from `.env`."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal

from dotenv import dotenv_values
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from stack.errors import SettingsError

ROOT = Path(__file__).resolve().parents[1]
REAL = ("CHATWOOT_DATABASE_URL", "KRAYIN_API_URL", "KRAYIN_API_TOKEN")


def _from_root(path: Path) -> Path:
    return (ROOT / path.expanduser()).resolve()


Port = Annotated[int, Field(ge=1, le=65535)]
Folder = Annotated[Path, AfterValidator(_from_root)]


class RealSystems(BaseModel):
    """The Chatwoot database and the Krayin to use instead of the sandbox."""

    model_config = ConfigDict(frozen=True)

    chatwoot_database_url: SecretStr
    chatwoot_account_id: int | None
    krayin_api_url: str
    krayin_api_token: SecretStr


class Settings(BaseSettings):
    """Everything that can be set about the stack; names are those of the environment variables.

    Relative paths count from the repository. An empty value counts as not set.
    """

    model_config = SettingsConfigDict(
        env_file=ROOT / ".env", env_ignore_empty=True, extra="ignore", frozen=True, validate_default=True
    )

    data_dir: Folder = Path(".data")
    """Where everything lives that is kept: databases, keys, logs."""
    airflow_host: str = "127.0.0.1"
    """Address that Airflow's UI, its API and the webhook receiver listen on."""
    airflow_port: Port = 8080
    airflow_base_url: str | None = None
    """Address of the UI as browsers see it, where a reverse proxy stands in front."""
    airflow_parallelism: Annotated[int, Field(ge=1, le=64)] = 4
    """Tasks that run at once; each idle worker costs about 135 MB."""
    celery_broker_url: SecretStr | None = None
    """Broker, such as redis://localhost:6379/0: tasks then run in Celery workers instead of the scheduler."""
    celery_workers: Annotated[int, Field(ge=1, le=32)] = 2
    """Workers that share the parallelism, with a broker only."""
    postgres_port: Port = 5499
    krayin_sandbox_port: Port = 8090
    krayin_sandbox_version: Literal["2.1", "2.2"] = "2.2"
    """Krayin's version that the sandbox answers as; records made under another are kept, as in an upgrade."""

    chatwoot_database_url: SecretStr | None = None
    chatwoot_account_id: Annotated[int, Field(ge=1)] | None = None
    krayin_api_url: str | None = None
    krayin_api_token: SecretStr | None = None
    krayin_requests_per_minute: Annotated[int, Field(ge=1)] | Literal["auto"] = "auto"
    """Written to the Krayin connection of real systems; the sandbox has its own."""
    krayin_sync_syncs: Folder | None = None
    """Folder of sync files; without it `include/syncs`, or the sandbox's own."""

    sandbox_contacts: Annotated[int, Field(ge=1)] = 200
    sandbox_conversations: Annotated[int, Field(ge=0)] = 300
    sandbox_messages: Annotated[int, Field(ge=0)] = 1500
    sandbox_seed: int = 1

    first_sync: Literal["forecast", "load"] = "load"
    """What `make up` does with a sync that has not run: do it, or say what it would do and cost, and send
    nothing."""
    first_sync_wait: Annotated[int, Field(ge=1)] = 900
    """Seconds that `make up` watches the first sync; it goes on without being watched."""

    @property
    def real(self) -> RealSystems | None:
        """The real systems, or None for the sandbox.

        Raises:
            SettingsError: some but not all of the three variables are set.
        """
        url, crm, token = self.chatwoot_database_url, self.krayin_api_url, self.krayin_api_token
        if url and crm and token:
            return RealSystems(
                chatwoot_database_url=url,
                chatwoot_account_id=self.chatwoot_account_id,
                krayin_api_url=crm,
                krayin_api_token=token,
            )
        if not (url or crm or token):
            return None
        given = dict(zip(REAL, (url, crm, token), strict=True))
        missing = [name for name, value in given.items() if not value]
        present = [name for name, value in given.items() if value]
        raise SettingsError(
            f"Set: {', '.join(present)}. Missing: {', '.join(missing)}.\n"
            "Set all three (environment or .env) to use real systems, or none to use the sandbox."
        )


def load(**values: object) -> Settings:
    """Return the settings; `values` (by field name) win over the environment and `.env`.

    Raises:
        SettingsError: a value is not allowed; every wrong one is named.
    """
    try:
        _see_no_misspelt(values.get("_env_file", ROOT / ".env"))
        return Settings(**values)  # type: ignore[arg-type]
    except UnicodeDecodeError:
        raise SettingsError(
            "The file .env is not UTF-8 (some editors on Windows write UTF-16). Save it as UTF-8."
        ) from None
    except ValidationError as error:
        lines = []
        for problem in error.errors():
            name = str(problem["loc"][0])
            secret = isinstance(problem["input"], SecretStr) or name.endswith(("url", "token"))
            read = "" if secret else f" (read: {problem['input']!r})"
            lines.append(f"{name.upper()}: {problem['msg']}{read}")
        raise SettingsError("These settings cannot be used:\n  " + "\n  ".join(lines)) from None


def _see_no_misspelt(file: object) -> None:
    """See that no name in `.env` is nearly one of ours: it would have no effect.

    Raises:
        SettingsError: one is.
    """
    if not isinstance(file, Path) or not file.exists():
        return
    known = {name.upper() for name in Settings.model_fields} | dotenv_values(ROOT / ".env.example").keys()
    for name in dotenv_values(file, encoding="utf-8").keys() - known:
        if close := get_close_matches(name.upper(), known, n=1, cutoff=0.85):
            raise SettingsError(f"{file.name} sets {name}, which is no setting. Did you mean {close[0]}?")
