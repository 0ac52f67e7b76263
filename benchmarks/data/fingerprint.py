"""Hashes that identify data by content. This module does not import torch, so reading records is quick."""

from __future__ import annotations

import hashlib
import json
from typing import Any

# Of pytorch-fid's pt_inception-2015-12-05-6726825d.pth. pytorch-fid publishes the first eight digits, in the file's
# name; the other digits are those that several public projects list for this file.
INCEPTION_SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"


def digest(value: Any) -> str:
    """The sha256 of a JSON value, independent of the order of its keys. Run keys and fingerprints use it."""
    plain = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(plain.encode()).hexdigest()
