"""Our offline Stripe: the real SDK talks to it, it signs and delivers webhooks, and its clock is ours."""
