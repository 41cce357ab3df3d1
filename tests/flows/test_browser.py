"""What a person does in a browser: confirm by mail, pay on the checkout page, look around."""

import pytest
from playwright.sync_api import Page, sync_playwright

from deploy.cli.api import PASSWORD, eventually
from deploy.embedded.browser import find_chromium

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]


@pytest.fixture
def page(request):
    """A page that fails the test when the console shows an error."""
    complaints = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=OPTIONS)
        opened = browser.new_page(viewport={"width": 900, "height": 700})
        opened.on("pageerror", lambda error: complaints.append(str(error)))
        opened.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        yield opened
        browser.close()
    assert complaints == []


def test_the_front_door_says_what_this_is_and_leads_everywhere(platform, page: Page):
    page.goto(platform.url)
    assert "AI creator studio" in page.inner_text("main")
    assert page.locator("li", has_text="up").count() >= 5
    assert page.locator("li span.down").count() == 0
    for name, path in (("The API", "/docs"), ("mailbox", "/dev/mail"), ("Stripe", "/twin/stripe")):
        page.goto(platform.url)
        page.click(f"a:has-text('{name}')")
        assert page.url == f"{platform.url}{path}"
        assert page.inner_text("h1")


def test_the_api_page_shows_every_public_endpoint(platform, page: Page):
    page.goto(f"{platform.url}/docs")
    for path in ("/v1/auth/signup", "/v1/billing/checkout", "/v1/ai/jobs", "/v1/chat/sessions", "/v1/forum/topics"):
        assert page.locator("summary", has_text=path).count() >= 1, path


def test_a_person_confirms_their_address_by_the_link_in_the_mail(platform, page: Page):
    address = "reader@example.com"
    platform.api.post("/v1/auth/signup", {"email": address, "password": PASSWORD}, expect=202)
    eventually("the mail", lambda: platform.api.get("/dev/mail", params={"to": address})["items"])
    page.goto(f"{platform.url}/dev/mail?to={address}")
    page.click("summary")
    page.click("a[href*='/verify?token=']")
    page.click("button")
    page.locator("[role=status]", has_text="Thank you").wait_for()
    assert platform.api.log_in(address, PASSWORD).get("/v1/me")["email_verified"] is True


def test_a_person_buys_a_plan_on_the_checkout_page(platform, page: Page):
    buyer, _ = platform.api.sign_up("clicker")
    checkout = buyer.post("/v1/billing/checkout", {"plan_id": "creator", "interval": "month"}, expect=201)
    page.goto(checkout["url"])
    assert "19.00" in page.inner_text("body")
    page.click("button[name=card][value=ok]")
    page.wait_for_url(f"{platform.url}/billing/success**")
    assert "Thank you" in page.inner_text("main")
    eventually("the plan", lambda: buyer.get("/v1/billing/entitlement")["plan_id"] == "creator")
