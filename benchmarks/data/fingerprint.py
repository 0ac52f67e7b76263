"""Fingerprints: hashes that name data by content.  It imports no torch, so that reading records stays quick."""

from __future__ import annotations

import hashlib
import json
from typing import Any


def digest(value: Any) -> str:
    """sha256 of a JSON value, whatever the order of its keys: what keys and fingerprints are made of."""
    plain = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(plain.encode()).hexdigest()
