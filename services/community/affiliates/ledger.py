"""The arithmetic of commissions: pure, in integer minor units, the same whatever order the facts arrive in.

What a payment earns is a function of what is left of it. The ledger is moved to that target by one entry, so repeats
and reorderings add nothing, and no rounding accumulates.
"""

from shared.money import share_of

BASIS_POINTS = 10_000


def target_commission(rate_bp: int, amount_net_remaining: int, lost: bool) -> int:  # noqa: FBT001
    """What a payment earns in all: the rate of what is left of its net, rounded down; nothing once it is lost."""
    if lost or amount_net_remaining <= 0:
        return 0
    return share_of(amount_net_remaining, rate_bp, BASIS_POINTS)


def delta(target: int, entries_sum: int) -> int:
    """The entry that brings the ledger from the sum of its entries to the target; 0 means there is nothing to write."""
    return target - entries_sum
