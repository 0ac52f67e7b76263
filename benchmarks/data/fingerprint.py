"""Hashes that identify data by content. This module does not import torch, so reading records is quick."""

from __future__ import annotations

import hashlib
import json
from typing import Any


def digest(value: Any) -> str:
    """The sha256 of a JSON value, independent of the order of its keys. Run keys and fingerprints use it."""
    plain = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(plain.encode()).hexdigest()
