"""Login and everything after it: from whatever secrets are at hand to an unlocked machine.

`Unlocked` holds the device key, and the seed of the recovery words once a vault needs it. The order in which a
command finds its way in: words given as an option; an unlocked session; a passphrase from an option, the environment
or a person; words from the environment. So a script with words needs no login, and a person types once. A secret that
an option or the environment gives to one command opens that command alone: only `login`, and a person who types,
unlock the machine for the commands after it.
"""

import json
from base64 import b64decode, b64encode
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from cybous3.client.keys.device import Places
from cybous3.client.keys.errors import CannotUnlock, DamagedFile, NoSecret
from cybous3.client.keys.files import remove
from cybous3.client.keys.sealed import Purpose, open_file, seal_file
from cybous3.client.keys.sources import MNEMONIC, PASSPHRASE, Sources
from cybous3.crypto.kdf import DEFAULT, Argon2Profile
from cybous3.crypto.mnemonic import fingerprint, mnemonic_seed

_LOG_IN = "run cybs3 login, or give the recovery words with --mnemonic-file"


@dataclass(frozen=True, slots=True)
class Given:
    """What the options of a command say about secrets."""

    mnemonic_file: Path | None = None
    passphrase_file: Path | None = None
    password_command: str | None = field(default=None, repr=False)

    @property
    def names_passphrase(self) -> bool:
        """Whether an option gives a passphrase."""
        return self.passphrase_file is not None or self.password_command is not None


@dataclass(frozen=True, slots=True)
class Unlocked:
    """An unlocked machine. Its representation shows no key."""

    places: Places = field(repr=False)
    device_key: bytes = field(repr=False)
    seed: bytes = field(repr=False)
    by_passphrase: bool = field(default=False, repr=False, compare=False)  # so the passphrase at hand is this machine's

    @property
    def fingerprint(self) -> str:
        """A short public name of the recovery words, for comparing machines."""
        return fingerprint(self.seed)


class Status(NamedTuple):
    """What can be said about a home without any secret."""

    set_up: bool
    unlocked: bool
    place: str  # "keyring", "passphrase", "words": what opens this home at the next login
    session_cache: bool  # whether this kernel keeps an unlocked session for us
    fingerprint: str | None


def login_with_words(places: Places, words: str) -> Unlocked:
    """Set this home up with recovery words, or open the home that they belong to."""
    return _open_with_seed(places, mnemonic_seed(words))


def keep_unlocked(unlocked: Unlocked, passphrase: str | None, profile: Argon2Profile = DEFAULT) -> str:
    """Find the place that opens this home from now on and return its name.

    The system's keyring, unless a passphrase was given; then, or where there is no keyring, a passphrase's file.
    With neither, the session cache alone, and the words at the next start.
    """
    places = unlocked.places
    if passphrase is not None:
        places.seal_with_passphrase(unlocked.device_key, passphrase, profile)
        places.session.save(unlocked.device_key)
        return "passphrase"
    if places.has_passphrase():
        places.session.save(unlocked.device_key)
        return "passphrase"
    keyring = places.keyring()
    if keyring is not None and keyring.save(unlocked.device_key):
        places.session.save(unlocked.device_key)
        return "keyring"
    return "session" if places.session.save(unlocked.device_key) else "words"


def unlock(places: Places, sources: Sources, given: Given, *, for_vault: bool = False) -> Unlocked:
    """Open this home with whatever is at hand. Raises CannotUnlock, NoSecret when nothing is.

    A passphrase given as an option must fit even where the session is open already, unless it may be one `for_vault`:
    then the caller checks it, who sees the vault's slots.
    """
    words = sources.from_options(MNEMONIC, given.mnemonic_file)
    if words is not None:
        return login_with_words(places, words)
    key = places.open_silently()
    checked = given.names_passphrase and not for_vault
    if key is not None and not (checked and places.has_passphrase()):
        return _with_stored_seed(places, key)
    if places.has_passphrase():
        passphrase = sources.from_options(PASSPHRASE, given.passphrase_file, given.password_command)
        passphrase = passphrase or sources.from_environment(PASSPHRASE)
        if passphrase is not None:
            return unlock_with_passphrase(places, passphrase)
    words = sources.from_environment(MNEMONIC)
    if words is not None:
        return login_with_words(places, words)
    passphrase = sources.ask(PASSPHRASE) if places.has_passphrase() else None
    if passphrase is None:
        raise NoSecret("not logged in", hint=_LOG_IN)
    unlocked = unlock_with_passphrase(places, passphrase)
    places.session.save(unlocked.device_key)
    return unlocked


def unlock_with_passphrase(places: Places, passphrase: str) -> Unlocked:
    """Open this home with its passphrase, for the caller alone. Raises CannotUnlock."""
    key = places.open_with_passphrase(passphrase)
    return replace(_with_stored_seed(places, key), by_passphrase=True)


def logout(places: Places) -> None:
    """End the session: the next command needs a secret again. Vault profiles stay, sealed."""
    places.forget_session()


def forget(places: Places) -> None:
    """Remove keys, profiles and memory of this home. Buckets are not touched; the words open them again."""
    home = places.home
    places.forget_everything()
    for path in (home.identity, home.config, home.state):
        for each in (path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")):
            remove(each, home.files)


def status(places: Places) -> Status:
    """Tell how this home stands, asking for no secret."""
    key = places.open_silently()
    seed = _stored_seed(places, key) if key is not None else None
    return Status(
        set_up=places.exists(),
        unlocked=key is not None,
        place="passphrase" if places.has_passphrase() else "keyring" if places.keyring() else "words",
        session_cache=places.session.load() is not None,
        fingerprint=None if seed is None else fingerprint(seed),
    )


def _open_with_seed(places: Places, seed: bytes) -> Unlocked:
    with places.home.locked():
        key = places.open_with_words(seed) if places.exists() else places.create(seed)
        if not places.home.files.exists(places.home.identity):
            content = json.dumps({"seed": b64encode(seed).decode()}).encode()
            seal_file(places.home.identity, key, Purpose.IDENTITY, content, places.entropy, files=places.home.files)
    return Unlocked(places, key, seed)


def _with_stored_seed(places: Places, key: bytes) -> Unlocked:
    seed = _stored_seed(places, key)
    if seed is None:
        raise NoSecret("this machine does not hold the recovery words' seed", hint=_LOG_IN)
    return Unlocked(places, key, seed)


def _stored_seed(places: Places, key: bytes) -> bytes | None:
    path = places.home.identity
    try:
        content = open_file(path, key, Purpose.IDENTITY, places.home.files)
    except CannotUnlock as error:
        raise CannotUnlock(
            "the unlocked session belongs to another set-up of this home", hint="run cybs3 login again"
        ) from error
    if content is None:
        return None
    try:
        return b64decode(json.loads(content)["seed"], validate=True)
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedFile(f"{path}: holds no seed") from error
