"""`cybs3 login` and `cybs3 logout`."""

import click

from cybous3.cli.opening import given, home_places, secret_sources
from cybous3.cli.options import Session, session_options
from cybous3.client.keys import login as keys
from cybous3.client.keys.device import Places
from cybous3.client.keys.errors import NoSecret
from cybous3.client.keys.sources import MNEMONIC, PASSPHRASE, Sources

NOT_LOGGED_IN = 10
_PLACES = {
    "keyring": "the system's keyring opens this machine from now on",
    "passphrase": "the passphrase opens this machine from now on",
    "session": "this session is open until logout, restart or a day; then the words are needed again",
    "words": "every command will need the recovery words: there is no keyring here and no passphrase was given",
}


@click.command()
@click.option("--status", is_flag=True, help="Tell whether this machine is unlocked (exit code 0) or not (10).")
@session_options()
def login(session: Session, *, status: bool) -> int:
    """Unlock this machine with your recovery words, or with the passphrase set earlier.

    The words themselves are not stored. Given both words and a passphrase, the passphrase opens this machine from then
    on; otherwise the system's keyring does, where there is one.
    """
    places = home_places()
    if status:
        return _status(session, places)
    sources = secret_sources()
    unlocked, words_given = _unlock(session, places, sources)
    passphrase = _new_passphrase(session, places, sources) if words_given else None
    place = keys.keep_unlocked(unlocked, passphrase)
    shown = {"unlocked": True, "fingerprint": unlocked.fingerprint, "place": place, "home": str(places.home.root)}
    session.out.result(shown, [f"unlocked: words {unlocked.fingerprint}", _PLACES[place]])
    return 0


@click.command()
@click.option("--forget", is_flag=True, help="Also remove all keys and vault profiles from this machine. No way back.")
@click.option("--yes", is_flag=True, help="Do not ask before forgetting.")
@session_options(vault=False)
def logout(session: Session, *, forget: bool, yes: bool) -> None:
    """Forget the unlocked keys of this machine.

    Vault profiles stay, sealed. With --forget they are removed as well; buckets are not touched, and the recovery
    words open them again.
    """
    places = home_places()
    if not forget:
        keys.logout(places)
        session.out.result({"unlocked": False}, "logged out")
        return
    if not yes:
        click.confirm(f"remove all keys and profiles in {places.home.root}?", abort=True, err=True)
    keys.forget(places)
    session.out.result({"unlocked": False, "forgotten": True}, "keys and profiles removed from this machine")


def _unlock(session: Session, places: Places, sources: Sources) -> tuple[keys.Unlocked, bool]:
    """Unlock with words if any are given or nothing else can; else with the passphrase. Tell which it was."""
    options = given(session.secrets)
    words = sources.from_options(MNEMONIC, options.mnemonic_file) or sources.from_environment(MNEMONIC)
    if words is None and places.has_passphrase():
        passphrase = sources.find(PASSPHRASE, options.passphrase_file, options.password_command)
        if passphrase is not None:
            return keys.unlock_with_passphrase(places, passphrase), False
    words = words or sources.ask(MNEMONIC)
    if words is None:
        raise _nothing_given(places)
    return keys.login_with_words(places, words), True


def _nothing_given(places: Places) -> NoSecret:
    if places.has_passphrase():
        return NoSecret(
            "the passphrase of this machine is needed, or the recovery words",
            hint="give it with --passphrase-file, or them with --mnemonic-file",
        )
    return NoSecret(
        "the recovery words are needed", hint="give them with --mnemonic-file, or make new ones: cybs3 keys create"
    )


def _new_passphrase(session: Session, places: Places, sources: Sources) -> str | None:
    """Return the passphrase that shall open this machine, None for none. Ask only where no keyring will do."""
    options = given(session.secrets)
    passphrase = sources.from_options(PASSPHRASE, options.passphrase_file, options.password_command)
    passphrase = passphrase or sources.from_environment(PASSPHRASE)
    if passphrase is not None or places.has_passphrase() or places.keyring() is not None:
        return passphrase
    return sources.ask(PASSPHRASE, again=True)


def _status(session: Session, places: Places) -> int:
    found = keys.status(places)
    shown = {**found._asdict(), "home": str(places.home.root)}
    text = f"unlocked: words {found.fingerprint}" if found.unlocked else "locked"
    if not found.set_up:
        text = "not set up: run cybs3 login"
    session.out.result(shown, text)
    return 0 if found.unlocked else NOT_LOGGED_IN
