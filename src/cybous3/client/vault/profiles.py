"""Profiles: what this machine knows of each vault, kept in the sealed configuration and nowhere else.

A profile names a place (endpoint, bucket, prefix), the credentials for it, and, once the vault was opened, its id: from
then on another vault at the same place is noticed.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal

from cybous3.client.keys.config import Document, SealedConfig
from cybous3.client.keys.errors import DamagedFile
from cybous3.client.vault.errors import BadProfile, NoSuchVault, VaultExists
from cybous3.crypto.errors import InvalidName
from cybous3.crypto.names import check_prefix

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_VAULTS, _SELECTED = "vaults", "selected"


@dataclass(frozen=True, slots=True)
class Profile:
    """One vault's place and credentials. Its representation shows no secret."""

    name: str
    endpoint: str
    bucket: str
    prefix: str = ""
    region: str | None = None  # None: told by the host name or the server
    addressing: Literal["path", "virtual"] = "path"
    access_key: str | None = None  # None: the environment's credentials, or anonymous
    secret_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    anonymous: bool = False
    ca_file: str | None = None
    vault_id: str | None = None  # hexadecimal

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise BadProfile(
                f"not a name for a vault: {self.name!r}",
                hint="letters, digits, dots, hyphens and underscores, up to 64",
            )
        try:
            check_prefix(self.prefix)
        except InvalidName as error:
            raise BadProfile(f"not a prefix: {error.message}", hint="write it like backups/laptop") from error
        if (self.access_key is None) != (self.secret_key is None):
            raise BadProfile(f"vault {self.name!r}: an access key and its secret belong together")

    @property
    def place(self) -> str:
        """Where the vault lies, for people."""
        return f"{self.endpoint}/{self.bucket}" + (f"/{self.prefix}" if self.prefix else "")


def public_view(profile: Profile) -> dict[str, Any]:
    """Return the profile for showing: everything but the secrets."""
    hidden = {"secret_key", "session_token"}
    return {name: value for name, value in asdict(profile).items() if name not in hidden and value is not None}


class Profiles:
    """The profiles of an unlocked home."""

    def __init__(self, config: SealedConfig) -> None:
        self._config = config

    def all(self) -> list[Profile]:
        """Return every profile, by name."""
        return [_read(item) for _, item in sorted(_vaults(self._config.read()).items())]

    def selected(self) -> str | None:
        """Return the name of the selected vault, None if none is."""
        name = self._config.read().get(_SELECTED)
        return name if isinstance(name, str) else None

    def find(self, name: str | None) -> Profile:
        """Return the profile `name`, or the selected one for None. Raises NoSuchVault."""
        document = self._config.read()
        wanted = name or document.get(_SELECTED)
        if not isinstance(wanted, str):
            raise NoSuchVault("no vault is selected", hint="name one with --vault, or run cybs3 vaults select NAME")
        return _named(document, wanted)

    def ensure_free(self, name: str) -> None:
        """Raise VaultExists when the name is taken."""
        _ensure_free(self._config.read(), name)

    def add(self, profile: Profile, *, select: bool = True, replacing: bool = False) -> None:
        """Keep a new profile. Raises VaultExists when the name is taken, unless it is `replacing` the one there."""

        def edit(document: Document) -> None:
            if not replacing:
                _ensure_free(document, profile.name)
            document.setdefault(_VAULTS, {})[profile.name] = asdict(profile)
            if select or not document.get(_SELECTED):
                document[_SELECTED] = profile.name

        self._config.change(edit)

    def update(self, profile: Profile) -> None:
        """Replace the profile of the same name. Raises NoSuchVault."""

        def edit(document: Document) -> None:
            _named(document, profile.name)
            document[_VAULTS][profile.name] = asdict(profile)

        self._config.change(edit)

    def pin(self, profile: Profile, vault_id: bytes) -> Profile:
        """Note which vault was found at the profile's place, if that was not known."""
        if profile.vault_id == vault_id.hex():
            return profile
        pinned = replace(profile, vault_id=vault_id.hex())
        self.update(pinned)
        return pinned

    def select(self, name: str) -> None:
        """Make `name` the vault of commands that name none. Raises NoSuchVault."""

        def edit(document: Document) -> None:
            _named(document, name)
            document[_SELECTED] = name

        self._config.change(edit)

    def delete(self, name: str) -> None:
        """Forget a profile; the bucket is not touched. Raises NoSuchVault."""

        def edit(document: Document) -> None:
            _named(document, name)
            del document[_VAULTS][name]
            if document.get(_SELECTED) == name:
                document[_SELECTED] = None

        self._config.change(edit)


def _vaults(document: Document) -> Mapping[str, Any]:
    vaults = document.get(_VAULTS, {})
    if not isinstance(vaults, dict):
        raise DamagedFile("the configuration holds no list of vaults")
    return vaults


def _ensure_free(document: Document, name: str) -> None:
    if name in _vaults(document):
        raise VaultExists(f"there is a vault {name!r} already", hint=f"cybs3 vaults delete {name} forgets it")


def _named(document: Document, name: str) -> Profile:
    vaults = _vaults(document)
    if name not in vaults:
        known = ", ".join(sorted(vaults)) or "none"
        raise NoSuchVault(f"there is no vault {name!r} on this machine", hint=f"known vaults: {known}")
    return _read(vaults[name])


def _read(item: Any) -> Profile:  # noqa: ANN401  # what a document holds is known after this
    known = {each.name for each in fields(Profile)}
    if not isinstance(item, dict) or not set(item) <= known or "name" not in item:
        raise DamagedFile("the configuration holds a profile that cannot be read")
    return Profile(**item)
