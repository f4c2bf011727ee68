"""Puts a data set into S3 as an operator does: objects, and the manifest that names them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from worker.demo.aws import AwsEmulator


def put_data_set(
    aws: AwsEmulator,
    bucket: str,
    layers: Mapping[str, Path],
    /,
    *,
    version: str = "2026-11",
    **changes: object,
) -> str:
    """Upload the file of each layer and a manifest; returns the manifest's key.

    ``changes`` replace members of the manifest.
    """
    keys = {name: f"{version}/{file.name}" for name, file in layers.items()}
    contents = {keys[name]: file.read_bytes() for name, file in layers.items()}
    for key, content in contents.items():
        aws.s3.put_object(Bucket=bucket, Key=key, Body=content)
    manifest = {
        "data_version": version,
        "layers": keys,
        "checksums": {
            key: hashlib.sha256(content).hexdigest() for key, content in contents.items()
        },
        **changes,
    }
    key = f"{version}/manifest.json"
    aws.s3.put_object(Bucket=bucket, Key=key, Body=json.dumps(manifest).encode())
    return key
