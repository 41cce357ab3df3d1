"""Telling users' own servers how jobs ended, as Standard Webhooks (https://www.standardwebhooks.com)."""
