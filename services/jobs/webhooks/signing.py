"""Secrets and signatures of outgoing webhooks."""

import base64
import hmac
from datetime import datetime
from uuid import UUID

from standardwebhooks import Webhook


def secret_of(secret_id: UUID, signing_secret: str) -> str:
    """The secret that the owner was shown. A new signing secret of the platform makes new ones of all of these."""
    key = hmac.digest(signing_secret.encode(), f"webhook\0{secret_id}".encode(), "sha256")
    return f"whsec_{base64.b64encode(key).decode()}"


def signed_headers(message_id: str, at: datetime, body: str, secrets: list[str]) -> dict[str, str]:
    """While a secret is being replaced, the message carries a signature by each."""
    signatures = (Webhook(secret).sign(msg_id=message_id, timestamp=at, data=body) for secret in secrets)
    return {
        "Content-Type": "application/json",
        "User-Agent": "Atelier-Webhooks/1",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
