"""Nothing that a caller sends makes the twin fail: every answer is Stripe-shaped and below 500."""

import random

import pytest

from deploy.stripe_twin.routes import ROUTES
from tests.stripe_twin.bench import KEY, Bench

VALUES = [
    "",
    "0",
    "-1",
    "1",
    "99999999999999999999",
    "true",
    "now",
    "nan",
    "usd",
    "x" * 600,
    "%F0%9F%98%80",
    "month",
    "a%00b",
]
SHAPES = ["{}", "{}[]", "{}[0]", "{}[a]", "{}[0][price]", "{}[price]", "{}[trial_period_days]", "{}[unit_amount]"]


def _form(names: list[str], seed: int) -> str:
    dice = random.Random(seed)
    chosen = dice.sample(names, min(len(names), 4)) if names else ["x"]
    return "&".join(f"{dice.choice(SHAPES).format(name)}={dice.choice(VALUES)}" for name in chosen)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_no_form_makes_a_route_fail(twin: Bench, route) -> None:
    paths = [route.path.format(id="x"), route.path.format(id="%00"), route.path.format(id="%F0%9F%98%80")]
    headers = {"authorization": f"Bearer {KEY}", "content-type": "application/x-www-form-urlencoded"}
    for seed in range(12):
        form = _form([*route.accepts.split(), "expand"], seed)
        path = paths[seed % 3]
        if route.method == "POST":
            answer = twin.http.post(f"{twin.url}{path}", content=form, headers=headers)
        else:
            answer = twin.http.request(route.method, f"{twin.url}{path}?{form}", headers=headers)
        assert answer.status_code < 500, (form, answer.text)
        assert "error" in answer.json() or "object" in answer.json()


@pytest.mark.parametrize(
    "data",
    [
        {"subscription_data": {"trial_period_days": 10**9}},
        {"subscription_data": {"trial_end": 10**15}},
        {"subscription_data": {"trial_end": 5}},
        {"line_items": [{"price_data": {"currency": "usd", "unit_amount": 10**12, "product_data": {"name": "x"}}}]},
    ],
)
def test_amounts_and_times_beyond_reason_are_refused(twin: Bench, data: dict) -> None:
    with pytest.raises(Exception, match="Request req_") as refused:
        twin.session(**data)
    assert refused.value.http_status == 400  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "body", ['{"card": "\\ud800"}', '{"card": "a\\u0000"}', '{"card": 5}', "[1]", '{"card": null}', "NaN"]
)
def test_no_json_makes_a_control_fail(twin: Bench, body: str) -> None:
    session = twin.session()
    answer = twin.http.post(f"{twin.url}/_control/checkout/{session['id']}/pay", content=body)
    assert (answer.status_code, "error" in answer.json()) == (400, True)


def test_paths_of_nothing_are_not_found(twin: Bench) -> None:
    for path in ("checkout/%00", "portal/%0A", "invoice/x", "nothing"):
        assert twin.http.get(f"{twin.url}/{path}").status_code == 404
    assert twin.http.post(f"{twin.url}/_control/checkout/%00/pay", json={"card": "ok"}).status_code == 404
    assert twin.http.put(f"{twin.url}/v1/customers", headers={"authorization": f"Bearer {KEY}"}).status_code == 404
