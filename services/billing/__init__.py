"""Billing owns money: plans, checkout, Stripe's webhooks, payments, subscriptions, refunds and entitlements."""
