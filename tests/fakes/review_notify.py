"""GOV.UK Notify as the annual review meets it: some addresses are refused, some fail for a time."""

from __future__ import annotations

from worker.demo.fake_service import Received, Reply
from worker.demo.notify import FakeNotify, error


class PickyNotify(FakeNotify):
    """Refuses e-mails to ``refused`` addresses (400) and does not take those to ``failing`` (503).

    An address without a domain stands for any that begins so.
    """

    def __init__(self) -> None:
        super().__init__()
        self.refused: set[str] = set()
        self.failing: set[str] = set()

    def answer(self, request: Received) -> Reply:
        body = request.json()
        name = ""
        if request.method == "POST" and isinstance(body, dict):
            name = str(body.get("email_address")).partition("@")[0]
        if name in self.refused:
            return error(400, "BadRequestError", "Can't send to this recipient")
        if name in self.failing:
            return error(503, "ServiceUnavailable", "Try again")
        return super().answer(request)
