"""Money as integer minor units: how many decimals a currency has, what Stripe can charge in it, and how it is written.

Sources: ISO 4217 for the decimals; Stripe's "Supported currencies" for its own representation, its steps and minimums.
"""

_NO_DECIMALS = frozenset(
    {"bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf"}
)
_THREE_DECIMALS = frozenset({"bhd", "jod", "kwd", "omr", "tnd"})
# These have no decimals any more, but Stripe goes on counting them in hundredths, of which only whole units are valid.
_WHOLE_UNITS_IN_HUNDREDTHS = frozenset({"isk", "ugx"})
# The least that Stripe charges, in minor units. Where it names none, its account's own currency decides.
_MINIMUM = {
    **dict.fromkeys(("usd", "aud", "brl", "cad", "chf", "eur", "inr", "nzd", "sgd"), 50),
    "aed": 200,
    "bgn": 100,
    "czk": 1500,
    "dkk": 250,
    "gbp": 30,
    "hkd": 400,
    "huf": 17500,
    "jpy": 50,
    "mxn": 1000,
    "myr": 200,
    "nok": 300,
    "pln": 200,
    "ron": 200,
    "sek": 300,
    "thb": 1000,
}


def decimals(currency: str) -> int:
    """How many of an amount's digits stand behind the point."""
    code = currency.lower()
    if code in _NO_DECIMALS:
        return 0
    return 3 if code in _THREE_DECIMALS else 2


def step(currency: str) -> int:
    """Stripe takes only multiples of this: tens of a third decimal, and whole units where hundredths are a fiction."""
    code = currency.lower()
    if code in _THREE_DECIMALS:
        return 10
    return 100 if code in _WHOLE_UNITS_IN_HUNDREDTHS else 1


def minimum_charge(currency: str) -> int:
    """The least amount, above nothing at all, that can be charged."""
    return max(_MINIMUM.get(currency.lower(), 0), step(currency))


def is_chargeable(amount: int, currency: str) -> bool:
    """Whether Stripe charges exactly this much; nothing at all is no charge, and always possible."""
    return amount == 0 or (amount >= minimum_charge(currency) and amount % step(currency) == 0)


def share_of(total: int, part: int, whole: int) -> int:
    """`total * part / whole` rounded down, so that shares never add up to more than the total. `whole` is positive."""
    return total * part // whole


def written(amount: int, currency: str) -> str:
    """As people read it: 1900 in usd is `19.00 USD`, in jpy `1900 JPY`, in kwd `1.900 KWD`."""
    places = decimals(currency)
    digits = str(abs(amount)).rjust(places + 1, "0")
    whole, rest = (digits[:-places], "." + digits[-places:]) if places else (digits, "")
    return f"{'-' if amount < 0 else ''}{whole}{rest} {currency.upper()}"
