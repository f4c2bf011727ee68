"""GOV.UK Notify for laptops and tests: keeps e-mails instead of sending them.

``python -m worker.demo.notify --port 6011`` runs it on its own.
"""

from __future__ import annotations

import argparse
import re
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import jwt

from worker.demo.fake_service import FakeService, Misbehaviour, Received, Reply

SERVICE_ID = "6513270e-269e-4d37-b2a7-4de452e6b438"
# Signs the tokens of a service that does not exist.
_SIGNING_KEY = "d23f0824-128b-4f33-8c5c-7fd0a6a3a450"
API_KEY = f"demo-{SERVICE_ID}-{_SIGNING_KEY}"

# Notify accepts a token for 30 seconds before and after it was issued.
_TOKEN_SECONDS = 30
_ADDRESS = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+")


@dataclass(frozen=True, slots=True)
class SentEmail:
    """An e-mail that Notify took."""

    id: str
    to: str
    template_id: str
    personalisation: Mapping[str, object]
    reference: str | None
    created_at: datetime
    status: str = "delivered"


class FakeNotify(FakeService):
    """Answers as Notify's API does; a repeated reference is sent again, as it is there.

    ``missing_templates``: ids that answer "Template not found".
    """

    def __init__(self, *, port: int = 0, api_key: str = API_KEY) -> None:
        super().__init__(port=port)
        self.sent: list[SentEmail] = []
        self.missing_templates: set[str] = set()
        self._service_id, self._signing_key = api_key[-73:-37], api_key[-36:]

    def answer(self, request: Received) -> Reply:
        refusal = self._refusal(request.headers.get("authorization", ""))
        if refusal is not None:
            return error(403, "AuthError", refusal)
        if request.path == "/v2/notifications/email" and request.method == "POST":
            return self._take(request)
        if request.path == "/v2/notifications" and request.method == "GET":
            return self._list(request)
        return Reply(404, {"result": "error", "message": "Not found"})

    def _refusal(self, authorization: str) -> str | None:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            return "Unauthorized: authentication token must be provided"
        try:
            claims = jwt.decode(
                token,
                key=self._signing_key,
                algorithms=["HS256"],
                # The age is checked below: an early token gets the same words as a late one.
                options={"verify_iat": False},
            )
        except jwt.InvalidTokenError:
            return "Invalid token: API key not found"
        if claims.get("iss") != self._service_id:
            return "Invalid token: service not found"
        if abs(time.time() - float(claims.get("iat", 0))) > _TOKEN_SECONDS:
            return "Error: Your system clock must be accurate to within 30 seconds"
        return None

    def _take(self, request: Received) -> Reply:
        body = request.json()
        if not isinstance(body, dict):
            return error(400, "BadRequestError", "Invalid JSON supplied in POST data")
        for name in ("email_address", "template_id"):
            if name not in body:
                return error(400, "ValidationError", f"{name} is a required property")
        to, template = str(body["email_address"]), str(body["template_id"])
        if not _ADDRESS.fullmatch(to):
            return error(400, "ValidationError", "email_address Not a valid email address")
        if not _is_uuid(template):
            return error(400, "ValidationError", "template_id is not a valid UUID")
        if template in self.missing_templates:
            return error(400, "BadRequestError", "Template not found")
        email = SentEmail(
            id=str(uuid.uuid4()),
            to=to,
            template_id=template,
            personalisation=body.get("personalisation") or {},
            reference=body.get("reference"),
            created_at=datetime.now(UTC),
        )
        self.sent.append(email)
        return Reply(
            201,
            {
                "id": email.id,
                "reference": email.reference,
                "content": {
                    "subject": "Subject",
                    "body": "Body",
                    "from_email": "demo@notifications.example",
                    "one_click_unsubscribe_url": None,
                },
                "uri": f"{self.url}/v2/notifications/{email.id}",
                "template": self._template(email),
                "scheduled_for": None,
            },
        )

    def _list(self, request: Received) -> Reply:
        reference = request.query.get("reference")
        found = [
            {
                "id": email.id,
                "reference": email.reference,
                "email_address": email.to,
                "type": "email",
                "status": email.status,
                "template": self._template(email),
                "subject": "Subject",
                "body": "Body",
                "created_at": email.created_at.isoformat(),
            }
            for email in reversed(self.sent)
            if reference is None or email.reference == reference
        ]
        return Reply(
            200, {"notifications": found, "links": {"current": f"{self.url}/v2/notifications"}}
        )

    def _template(self, email: SentEmail) -> dict[str, object]:
        uri = f"{self.url}/v2/template/{email.template_id}"
        return {"id": email.template_id, "version": 1, "uri": uri}


def error(status: int, name: str, message: str, headers: Mapping[str, str] | None = None) -> Reply:
    """An error in the shape of Notify's API."""
    body = {"status_code": status, "errors": [{"error": name, "message": message}]}
    return Reply(status, body, headers or {})


RATE_LIMITED = Misbehaviour(
    error(
        429,
        "RateLimitError",
        "Exceeded rate limit for key type LIVE of 3000 requests per 60 seconds",
    )
)
DAILY_LIMIT_REACHED = Misbehaviour(
    error(429, "TooManyRequestsError", "Exceeded send limits (250000) for today")
)


def _is_uuid(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=6011)
    parser.add_argument("--api-key", default=API_KEY)
    options = parser.parse_args()
    FakeNotify(port=options.port, api_key=options.api_key).serve()


if __name__ == "__main__":
    main()
