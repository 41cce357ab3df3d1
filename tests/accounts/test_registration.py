"""From a sign-up to a user whom the other services know."""

from tests.support.accounts import mails, register, through_gateway


async def test_a_new_user_signs_up_confirms_by_mail_logs_in_and_reads_themselves(svc):
    account = await register(svc, "Ann@Example.com", display_name="Ann Lee")
    me = (await account.client.get("/v1/me")).json()
    assert me["email"] == "Ann@Example.com"
    assert me["email_verified"] is True
    assert me["display_name"] == "Ann Lee"
    assert me["roles"] == ["user"]
    assert me["id"] == str(account.id)
