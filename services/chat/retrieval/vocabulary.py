"""What people here call the same thing. The sentence model knows English, not how a studio's customers talk."""

import re

# Read as: whoever says one of the words on the left may mean what stands on the right.
SAME_THING: tuple[tuple[str, str], ...] = (
    ("declined|rejected|refused|bounced|expired card|card expired", "payment failed"),
    ("unsubscribe|resign|membership", "cancel subscription"),
    ("tier|package|bigger plan|smaller plan|switch|from free to|move from|go from", "upgrade or downgrade plan"),
    ("price|prices|pricing|how much is it|how much does it cost|fee|fees|yearly", "what plans cost"),
    ("bill|bills|tax documents?|accountant", "invoices and receipts"),
    ("metered|eats? into|use up|uses up", "counts against quota"),
    ("allowance|credits", "quota"),
    ("crash(ed|es)?|abort(ed)?|generations? fail(ed)?|failed generations?", "failed or cancelled job charged"),
    ("stuck|pending|in line", "waiting in the queue"),
    ("copyright|licen[cs]e|owns?|ownership|sell|resell|clients?", "use results commercially"),
    ("pw|pwd|passwort|passcode|locked out", "forgot password reset"),
    ("log ?out|logged in|log off", "sign out sessions devices"),
    ("developers?|script|programmatic|programmatically|sdk|integration", "API key"),
    ("erase|gdpr|forgotten|close my account|personal data", "delete account and data"),
    ("refer|referrals?|commission|invite", "affiliate programme"),
    ("human|agent|somebody real|contact|support|staff", "talk to a person"),
    ("this service|your service|this site|features?", "available tools"),
)
_PATTERNS = [(re.compile(rf"\b(?:{words})\b", re.IGNORECASE), meaning) for words, meaning in SAME_THING]


def widened(question: str) -> str:
    """The question, followed by what its words mean here."""
    meanings = [meaning for pattern, meaning in _PATTERNS if pattern.search(question)]
    return f"{question} ({', '.join(meanings)})" if meanings else question
