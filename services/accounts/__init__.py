"""Accounts owns who you are: users, sessions, API keys, roles, and what each user has used."""
