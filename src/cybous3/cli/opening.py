"""From a command's options to an unlocked machine, a profile, a store and an opened vault.

The one place of the client's commands that knows the environment, the home directory and the concrete adapters; what
it hands out knows none of them.
"""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from cybous3.cli.options import Secrets, Session
from cybous3.client.keys.config import SealedConfig
from cybous3.client.keys.device import Places, system_places
from cybous3.client.keys.errors import BadSource, CannotUnlock
from cybous3.client.keys.home import find_home
from cybous3.client.keys.login import Given, Unlocked, unlock
from cybous3.client.keys.sources import PASSPHRASE, Sources, terminal_prompt
from cybous3.client.keys.state import State, open_state
from cybous3.client.stores.connect import Access, open_store
from cybous3.client.stores.documents import BucketDocuments
from cybous3.client.stores.port import Store
from cybous3.client.stores.retry import Policy, RetryingStore
from cybous3.client.transfer.sealing import VaultKeys
from cybous3.client.vault.documents import Cache
from cybous3.client.vault.opening import Keeper, SeedSecret
from cybous3.client.vault.profiles import Profile, Profiles
from cybous3.core.sigv4.credentials import Credentials
from cybous3.crypto.slots import PassphraseSecret, Secret
from cybous3.crypto.vault import OpenVault

# Where the credentials of a profile without its own come from, as every S3 tool has them.
_ENVIRONMENT = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")

# Long enough for a server that is being restarted.
PATIENT = Policy()


class Opened(NamedTuple):
    """An opened vault and what belongs to it. Closed by `open_vault`'s context. Its representation shows no key."""

    profile: Profile
    store: Store
    state: State
    keeper: Keeper
    vault: OpenVault
    keys: VaultKeys  # the vault as file transfer wants it
    unlocked: Unlocked
    secrets: list[Secret]  # what opens the vault again

    def __repr__(self) -> str:
        return f"Opened({self.profile!r})"


def secret_sources() -> Sources:
    """Return where secrets may come from here: the environment, standard input, a person at a terminal."""
    return Sources(environ=os.environ, prompt=terminal_prompt())


def home_places() -> Places:
    """Return this person's home and the places its key may lie in."""
    return system_places(find_home(os.environ), os.environ)


def given(secrets: Secrets) -> Given:
    """Return what the options say about secrets."""
    return Given(secrets.mnemonic_file, secrets.passphrase_file, secrets.password_command)


def unlock_home(session: Session, sources: Sources | None = None, *, for_vault: bool = False) -> Unlocked:
    """Unlock this machine with whatever is at hand. Raises CannotUnlock, NoSecret.

    `for_vault`: the passphrase may be one of a vault's slots; `check_passphrase` is called once the vault is open.
    """
    return unlock(home_places(), sources or secret_sources(), given(session.secrets), for_vault=for_vault)


def check_passphrase(
    session: Session, unlocked: Unlocked, secrets: Sequence[Secret], vault: OpenVault | None = None
) -> None:
    """Raise CannotUnlock when a passphrase given as an option opens neither a slot of the vault nor this machine.

    One from the environment is not checked: it is there for whichever command needs it. `vault` None: a new one.
    """
    passphrases = [secret for secret in secrets if isinstance(secret, PassphraseSecret)]
    if unlocked.by_passphrase or not given(session.secrets).names_passphrase or not passphrases:
        return
    slots = [] if vault is None else [(slot, vault.vault_id) for slot in vault.document.slots]
    if any(slot.kind == p.kind and slot.open(p, vault_id) is not None for slot, vault_id in slots for p in passphrases):
        return
    places = unlocked.places
    if not places.has_passphrase():
        if vault is None:
            return  # nothing here has a passphrase yet that it could be compared with
        raise CannotUnlock("the passphrase given opens no slot of the vault, and this machine has none")
    try:
        places.open_with_passphrase(passphrases[0].passphrase)
    except CannotUnlock as error:
        raise CannotUnlock("wrong passphrase: it opens neither this machine nor a slot of the vault") from error


def profiles_of(unlocked: Unlocked) -> Profiles:
    """Return the vault profiles of an unlocked machine."""
    return Profiles(SealedConfig(unlocked))


def access_of(profile: Profile, environ: Mapping[str, str] = os.environ) -> Access:
    """Return how to reach the profile's endpoint. Raises BadSource when its credentials are nowhere."""
    ca_file = None if profile.ca_file is None else Path(profile.ca_file)
    return Access(profile.endpoint, _credentials(profile, environ), profile.region, profile.addressing, ca_file)


def store_of(profile: Profile, policy: Policy = PATIENT) -> RetryingStore:
    """Return the profile's bucket. Connects at the first call."""
    return open_store(replace(access_of(profile), policy=policy), profile.bucket)


def keeper_of(profile: Profile, store: Store, state: State, unlocked: Unlocked) -> Keeper:
    """Return what opens and changes the vault at the profile's place."""
    home = unlocked.places.home
    return Keeper(BucketDocuments(store, profile.prefix), state, Cache(home.vaults), time.time, os.urandom)


def opening_secrets(session: Session, unlocked: Unlocked, sources: Sources) -> list[Secret]:
    """Return what may open a vault: the words' seed, and the passphrase an option or the environment gives."""
    options = given(session.secrets)
    secrets: list[Secret] = [SeedSecret(unlocked.seed)]
    if options.passphrase_file is None or not sources.stdin_taken:
        passphrase = sources.from_options(PASSPHRASE, options.passphrase_file, options.password_command)
        passphrase = passphrase or sources.from_environment(PASSPHRASE)
        secrets += [PassphraseSecret(passphrase)] if passphrase else []
    return secrets


@contextmanager
def open_vault(session: Session, *, accept_rollback: bool = False) -> Iterator[Opened]:
    """Open the vault the command names, or the selected one, for the length of the context."""
    sources = secret_sources()
    unlocked = unlock_home(session, sources, for_vault=True)
    profile = profiles_of(unlocked).find(session.vault)
    secrets = opening_secrets(session, unlocked, sources)
    with open_profile(profile, unlocked, secrets, accept_rollback=accept_rollback) as opened:
        check_passphrase(session, unlocked, secrets, opened.vault)
        yield opened


@contextmanager
def open_profile(
    profile: Profile, unlocked: Unlocked, secrets: list[Secret], *, accept_rollback: bool = False
) -> Iterator[Opened]:
    """Open the vault of a profile for the length of the context, and note its id if that was not known."""
    store = store_of(profile)
    with open_state(unlocked.places.home.state) as state:
        try:
            keeper = keeper_of(profile, store, state, unlocked)
            expected = None if profile.vault_id is None else bytes.fromhex(profile.vault_id)
            opened = keeper.open(secrets, expected=expected, accept_rollback=accept_rollback)
            profile = profiles_of(unlocked).pin(profile, opened.vault_id)
            keys = VaultKeys(opened.vault_id, opened.keyset, opened.names(profile.prefix))
            yield Opened(profile, store, state, keeper, opened, keys, unlocked, secrets)
        finally:
            store.close()


def _credentials(profile: Profile, environ: Mapping[str, str]) -> Credentials | None:
    if profile.anonymous:
        return None
    if profile.access_key is not None and profile.secret_key is not None:
        return Credentials(profile.access_key, profile.secret_key, profile.session_token)
    access_key, secret_key, token = (environ.get(name) for name in _ENVIRONMENT)
    if not access_key or not secret_key:
        raise BadSource(
            f"vault {profile.name!r} takes its credentials from the environment, and there are none",
            hint="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        )
    return Credentials(access_key, secret_key, token)
