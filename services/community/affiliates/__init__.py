"""Affiliates: who brought whom, and what they earn by it."""
