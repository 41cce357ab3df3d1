"""The look of the twin's pages: plain HTML that works without a script."""

from decimal import Decimal
from html import escape

from starlette.responses import HTMLResponse

ZERO_DECIMAL = frozenset(
    ["bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "ugx", "vnd", "vuv", "xaf", "xof", "xpf"]
)
THREE_DECIMAL = frozenset(["bhd", "jod", "kwd", "omr", "tnd"])
HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
}
STYLE = """
body{font:16px/1.5 system-ui,sans-serif;margin:0;background:#f4f5f7;color:#1c2430}
main{max-width:34rem;margin:2rem auto;background:#fff;padding:1.5rem 2rem;border-radius:10px;border:1px solid #dde1e7}
h1{font-size:1.35rem;margin:0 0 .5rem}table{width:100%;border-collapse:collapse;margin:1rem 0}
td{padding:.35rem 0;border-bottom:1px solid #e8ebef}td:last-child{text-align:right}
button{font:inherit;width:100%;text-align:left;padding:.6rem .8rem;margin:.25rem 0;border:1px solid #b9c0ca;
border-radius:7px;background:#fff;cursor:pointer}
button:hover,button:focus-visible{border-color:#4338ca;outline-color:#4338ca}
button small{display:block;color:#566072}.note{background:#eef2ff;padding:.6rem .8rem;border-radius:7px}
.error{background:#fdecec;color:#8c1d18;padding:.6rem .8rem;border-radius:7px}
input{font:inherit;padding:.5rem;border:1px solid #b9c0ca;border-radius:7px}
footer{color:#566072;font-size:.85rem;margin-top:1.2rem}
"""


def page(title: str, *parts: str, status: int = 200) -> HTMLResponse:
    """`parts` are HTML; whatever came from outside was escaped before."""
    body = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<style>{STYLE}</style></head><body><main><h1>{escape(title)}</h1>{''.join(parts)}"
        "<footer>This is the offline Stripe twin. No real money moves here.</footer></main></body></html>"
    )
    return HTMLResponse(body, status, HEADERS)


def note(text: str, kind: str = "note") -> str:
    role = "alert" if kind == "error" else "status"
    return f'<p class="{kind}" role="{role}">{escape(text)}</p>'


def button(name: str, value: str, label: str, hint: str = "") -> str:
    small = f"<small>{escape(hint)}</small>" if hint else ""
    return f'<button name="{escape(name)}" value="{escape(value)}">{escape(label)}{small}</button>'


def form(*parts: str) -> str:
    """Posts to the page's own address."""
    return f'<form method="post">{"".join(parts)}</form>'


def hidden(name: str, value: str) -> str:
    return f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'


def table(rows: list[tuple[str, str]]) -> str:
    cells = "".join(f"<tr><td>{escape(left)}</td><td>{escape(right)}</td></tr>" for left, right in rows)
    return f"<table>{cells}</table>"


def link(url: str | None, label: str) -> str:
    is_web = url is not None and url.startswith(("http://", "https://"))
    return f'<p><a href="{escape(str(url))}">{escape(label)}</a></p>' if is_web else ""


def money(amount: int, currency: str) -> str:
    """`money(1900, "usd")` is `19.00 USD`; yen have no decimals and dinars have three."""
    digits = 0 if currency in ZERO_DECIMAL else 3 if currency in THREE_DECIMAL else 2
    return f"{Decimal(amount).scaleb(-digits):.{digits}f} {currency.upper()}"
