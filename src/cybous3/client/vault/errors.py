"""What can go wrong between a profile's name and an opened vault."""

from cybous3.core.errors import CybousError


class NoSuchVault(CybousError):
    """This machine has no profile of that name, or none is selected."""

    exit_code = 3


class NoSuchSlot(CybousError):
    """The vault has no slot of that id."""

    exit_code = 3


class LastSlot(CybousError):
    """The only way to unlock the vault is not removed."""

    exit_code = 22


class NoVaultThere(CybousError):
    """The bucket and prefix hold no vault document. Never answered by making one."""

    exit_code = 3


class BadProfile(CybousError):
    """A profile that cannot be: a name, prefix or endpoint that is none."""

    exit_code = 2


class VaultExists(CybousError):
    """A profile of that name, or a vault at that place, exists already."""

    exit_code = 22


class TwoWriters(CybousError):
    """Somebody else keeps writing vault documents at the same time."""

    exit_code = 22


class DamagedDocument(CybousError):
    """The vault document in the bucket is not what this machine has opened: damaged, or replaced."""

    exit_code = 11


class NoDocument(CybousError):
    """The vault document that is listed in the bucket cannot be fetched, although this machine has a copy."""

    exit_code = 3
