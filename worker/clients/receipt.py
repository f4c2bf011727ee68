"""What a client says once a delivery needs no more work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Outcome = Literal["delivered", "already_delivered", "suppressed"]


@dataclass(frozen=True, slots=True)
class DeliveryReceipt:
    """How a delivery ended well.

    ``already_delivered``: the other side had it before this call. ``suppressed``: our own
    configuration says that it is not sent. ``detail`` is for operators and holds nothing personal;
    ``remote_id`` is the other side's id where it gives one.
    """

    outcome: Outcome
    detail: str = ""
    remote_id: str | None = None
