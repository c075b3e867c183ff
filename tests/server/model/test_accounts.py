"""What may be shown of an account, and what may not."""

from cybous3.server.model.accounts import AccessKey, Credential, User

ANNA = User("a" * 64, "anna", "Anna")


def test_no_secret_is_ever_shown() -> None:
    credential = Credential("KEY", ANNA, "open secret")
    key = AccessKey("KEY", ANNA.id, b"sealed secret", 0)
    for shown in (repr(credential), str(credential), f"{credential}", repr(key), f"{[key, credential]}"):
        assert "secret" not in shown
        assert "KEY" in shown
