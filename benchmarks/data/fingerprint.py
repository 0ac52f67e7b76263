"""Hashes that identify data by content. This module does not import torch, so reading records is quick."""

from __future__ import annotations

import hashlib
import json
from typing import Any

# Of pytorch-fid's pt_inception-2015-12-05-6726825d.pth. pytorch-fid publishes the first eight digits, in the file's
# name; the other digits are those that several public projects list for this file.
INCEPTION_SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"

# Of the files NAME_pretrain.pth of github.com/facebookresearch/dinov2, networks without registers. Meta publishes no
# hashes. These are the ones that several copies of each file in public repositories have in common.
DINOV2_SHA256 = {
    "dinov2_vits14": "b938bf1bc15cd2ec0feacfe3a1bb553fe8ea9ca46a7e1d8d00217f29aef60cd9",  # 88,283,115 bytes
    "dinov2_vitb14": "0b8b82f85de91b424aded121c7e1dcc2b7bc6d0adeea651bf73a13307fad8c73",  # 346,378,731 bytes
    "dinov2_vitl14": "d5383ea8f4877b2472eb973e0fd72d557c7da5d3611bd527ceeb1d7162cbf428",  # 1,217,586,395 bytes
}


def digest(value: Any) -> str:
    """The sha256 of a JSON value, independent of the order of its keys. Run keys and fingerprints use it."""
    plain = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(plain.encode()).hexdigest()
