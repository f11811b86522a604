"""Keeps a secret in the sync database under Airflow's Fernet key."""

from __future__ import annotations

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from reconciliation.errors import ReconciliationError


class NoFernetKeyError(ReconciliationError):
    """Airflow has no Fernet key, so nothing can be kept encrypted; set one."""

    def __init__(self) -> None:
        super().__init__(
            "Airflow has no usable Fernet key, so the webhook's secret cannot be kept. Set "
            "AIRFLOW__CORE__FERNET_KEY for every component, or give the secret in an Airflow connection"
        )


class SecretBox:
    """Encrypts and decrypts texts."""

    def __init__(self, keys: str) -> None:
        """Take Airflow's `[core] fernet_key`: one key, or several with commas, the newest first.

        Raises:
            NoFernetKeyError: it is empty or no key.
        """
        try:
            self._fernet = MultiFernet([Fernet(key.strip()) for key in keys.split(",") if key.strip()])
        except ValueError:
            raise NoFernetKeyError from None

    def seal(self, secret: str) -> bytes:
        """Return `secret` encrypted with the newest key."""
        return self._fernet.encrypt(secret.encode())

    def open(self, sealed: bytes) -> str | None:
        """Return what was sealed, None when none of the keys fits."""
        try:
            return self._fernet.decrypt(sealed).decode()
        except InvalidToken:
            return None
