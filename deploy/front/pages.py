"""The front door's pages as HTML: plain, readable, and free of anything from elsewhere."""

import base64
import hashlib
from html import escape

STYLE = """
:root { color-scheme: light dark; --ink: #1d1b26; --soft: #5d5a6b; --line: #dcd9e6; --paper: #fbfafd;
  --accent: #5b3fd6; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #eceaf5; --soft: #a9a5ba; --line: #37333f; --paper: #16141c; --accent: #a995ff; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, sans-serif; }
main { max-width: 46rem; margin: 0 auto; padding: 3rem 1.25rem 4rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .4rem; }
h2 { font-size: 1.1rem; margin: 2.2rem 0 .6rem; }
p { margin: .5rem 0 1rem; } a { color: var(--accent); } .soft { color: var(--soft); }
ul.parts { list-style: none; padding: 0; margin: 0; border-top: 1px solid var(--line); }
ul.parts li { display: flex; gap: .75rem; justify-content: space-between; padding: .55rem 0;
  border-bottom: 1px solid var(--line); }
.up { color: #17803d; } .down { color: #c22b2b; }
@media (prefers-color-scheme: dark) { .up { color: #5fd38a; } .down { color: #ff8080; } }
form { display: grid; gap: .75rem; max-width: 24rem; } label { display: grid; gap: .25rem; }
input { font: inherit; padding: .55rem .7rem; border: 1px solid var(--line); border-radius: .4rem;
  background: transparent; color: inherit; }
button { font: inherit; font-weight: 600; padding: .6rem 1rem; border: 0; border-radius: .4rem;
  background: var(--accent); color: var(--paper); cursor: pointer; justify-self: start; }
pre { overflow-x: auto; padding: .8rem 1rem; border: 1px solid var(--line); border-radius: .4rem; }
details { border-bottom: 1px solid var(--line); padding: .5rem 0; } summary { cursor: pointer; }
code { font: .9em ui-monospace, monospace; } .verb { display: inline-block; width: 4.2rem; font-weight: 700; }
"""

# The only script: a form that posts JSON to our own API and says what came of it.
SCRIPT = """
for (const form of document.querySelectorAll('form[data-post]')) {
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const said = form.querySelector('[role=status]');
    const token = new URLSearchParams(location.search).get('token') || '';
    const body = { token };
    for (const field of form.querySelectorAll('input[name]')) body[field.name] = field.value;
    said.textContent = 'One moment…';
    const answer = await fetch(form.dataset.post, {
      method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });
    if (answer.ok) { said.textContent = form.dataset.done; form.querySelector('button').hidden = true; return; }
    const problem = await answer.json().catch(() => ({}));
    said.textContent = problem.detail || problem.title || 'That did not work.';
  });
}
"""


def _hash_of(text: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; style-src {_hash_of(STYLE)}; script-src {_hash_of(SCRIPT)}; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; img-src 'self' data:"
)


def page(title: str, body: str) -> str:
    """A whole page. `title` is text; `body` is HTML whose variable parts are escaped already."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="icon" href="data:,"><title>{escape(title)}</title><style>{STYLE}</style></head>'
        f"<body><main>{body}</main><script>{SCRIPT}</script></body></html>"
    )


def home_page(parts: dict[str, bool], *, local: bool) -> str:
    rows = "".join(
        f'<li><span>{escape(name)}</span><span class="{"up" if up else "down"}">{"up" if up else "down"}</span></li>'
        for name, up in parts.items()
    )
    links = '<li><a href="/docs">The API, endpoint by endpoint</a></li>'
    if local:
        links += '<li><a href="/dev/mail">The local mailbox: every mail that would have been sent</a></li>'
        links += '<li><a href="/twin/stripe">The offline Stripe: test cards and a clock you own</a></li>'
    return page(
        "Atelier",
        "<h1>Atelier</h1><p>The backend of an AI creator studio: accounts, billing, an assistant, jobs that draw, and "
        'a community.</p><p class="soft">This is an API. <code>./atelier demo</code> plays a creator\'s whole journey '
        f'against it.</p><h2>Parts</h2><ul class="parts">{rows}</ul><h2>Look around</h2><ul class="parts">{links}</ul>',
    )


def verify_page() -> str:
    return page(
        "Confirm your address",
        "<h1>Confirm your e-mail address</h1><p>One click and your account is ready.</p>"
        '<form data-post="/v1/auth/verify" data-done="Thank you: your address is confirmed. You can sign in now.">'
        '<button>Confirm my address</button><p role="status" aria-live="polite"></p></form>',
    )


def reset_page() -> str:
    return page(
        "Choose a new password",
        "<h1>Choose a new password</h1><p>All other sessions will be signed out.</p>"
        '<form data-post="/v1/auth/password/reset" data-done="Your new password is set. You can sign in now.">'
        '<label>New password<input name="password" type="password" minlength="8" autocomplete="new-password" required>'
        '</label><button>Set the password</button><p role="status" aria-live="polite"></p></form>',
    )


def billing_page(*, paid: bool) -> str:
    if paid:
        text = "<h1>Thank you</h1><p>Your payment is being booked; your plan is raised within moments.</p>"
    else:
        text = "<h1>Nothing was bought</h1><p>You can go back and choose a plan whenever you like.</p>"
    return page("Checkout", text)


def mail_page(mails: list[dict[str, object]]) -> str:
    if not mails:
        return page("Mailbox", "<h1>Local mailbox</h1><p>No mail yet. Sign somebody up, and it will be here.</p>")
    return page("Mailbox", "<h1>Local mailbox</h1>" + "".join(_mail(mail) for mail in mails))


def _mail(mail: dict[str, object]) -> str:
    links = mail.get("links")
    found = [str(link) for link in links] if isinstance(links, list) else []
    shown = "".join(f'<p><a href="{escape(link, quote=True)}">{escape(link)}</a></p>' for link in found)
    head = f"<b>{escape(str(mail['subject']))}</b> <span class='soft'>to {escape(str(mail['to']))}</span>"
    return f"<details><summary>{head}</summary><pre>{escape(str(mail['text']))}</pre>{shown}</details>"


def docs_page(document: dict[str, object]) -> str:
    paths = document.get("paths")
    rows = [
        _operation(verb, path, operation)
        for path, operations in sorted(paths.items() if isinstance(paths, dict) else [])
        for verb, operation in operations.items()
    ]
    return page(
        "API",
        "<h1>The API</h1><p>Everything below is in <a href='/openapi.json'>/openapi.json</a>. Errors are "
        "<code>application/problem+json</code>; lists are <code>{items, next_cursor}</code>; unsafe requests take "
        f"<code>Idempotency-Key</code>.</p>{''.join(rows)}",
    )


def _operation(verb: str, path: str, operation: dict[str, object]) -> str:
    told = escape(str(operation.get("description") or operation.get("summary") or ""))
    parameters = operation.get("parameters")
    names = [str(entry["name"]) for entry in parameters] if isinstance(parameters, list) else []
    listed = f"<p class='soft'>Parameters: {escape(', '.join(names))}</p>" if names else ""
    return (
        f"<details><summary><code><span class='verb'>{verb.upper()}</span>{escape(path)}</code></summary>"
        f"<p>{told}</p>{listed}</details>"
    )
