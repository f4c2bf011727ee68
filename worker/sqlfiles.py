"""SQL statements kept as ``.sql`` files beside the module that runs them."""

from __future__ import annotations

from functools import cache
from importlib import resources


@cache
def statement(package: str, name: str) -> bytes:
    """The text of ``sql/<name>.sql`` in ``package``; bytes, as psycopg takes trusted SQL."""
    return resources.files(package).joinpath("sql", f"{name}.sql").read_bytes()
