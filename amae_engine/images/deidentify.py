"""Keyed hashes: the same patient is recognised again, and nobody can tell who it is."""

from __future__ import annotations

import hashlib
import hmac
import secrets


def new_key() -> bytes:
    """A project's secret key, 32 random bytes."""
    return secrets.token_bytes(32)


def keyed_hash(key: bytes, kind: str, identity: str) -> str:
    """HMAC-SHA-256 of an identity; `kind` keeps patients, studies and instances apart.

    Returns:
        64 hexadecimal digits.
    """
    return hmac.new(key, f"{kind}\0{identity}".encode(), hashlib.sha256).hexdigest()
