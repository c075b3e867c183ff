"""`cybs3 keys slots`: the ways to unlock a vault, which lie in the bucket beside it."""

import os
import time
from pathlib import Path

import click

from cybous3.cli.opening import open_vault, secret_sources
from cybous3.cli.options import Session, session_options
from cybous3.cli.output import printable
from cybous3.client.keys.errors import NoSecret
from cybous3.client.keys.sources import MNEMONIC, PASSPHRASE
from cybous3.client.vault.errors import LastSlot, NoSuchSlot
from cybous3.crypto.slots import MnemonicSecret, PassphraseSecret, Secret, Slot
from cybous3.crypto.vault import OpenVault

_ID_SHOWN = 8


@click.group(name="slots")
def group() -> None:
    """List, add and remove the ways to unlock a vault."""


@group.command(name="list")
@session_options()
def list_(session: Session) -> None:
    """List the vault's slots."""
    with open_vault(session) as opened:
        slots = opened.vault.document.slots
    session.out.result([_shown(slot) for slot in slots])
    session.out.table(("ID", "KIND", "LABEL"), [(slot.id.hex()[:_ID_SHOWN], slot.kind, slot.label) for slot in slots])


@group.command()
@click.option("--label", default="", help="A name for people; the server sees it.")
@click.option(
    "--new-passphrase-file",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    help='A file with the passphrase of the new slot; "-" reads standard input.',
)
@click.option(
    "--new-mnemonic-file",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    help='A file with the recovery words of the new slot; "-" reads standard input.',
)
@session_options()
def add(session: Session, *, label: str, new_passphrase_file: Path | None, new_mnemonic_file: Path | None) -> None:
    """Add a way to unlock the vault: another passphrase (asked for, unless given), or other recovery words."""
    secret = _new_secret(new_passphrase_file, new_mnemonic_file)

    def edit(vault: OpenVault) -> OpenVault:
        return vault.add_slot(secret, created=int(time.time()), label=label, entropy=os.urandom)

    with open_vault(session) as opened:
        vault = opened.keeper.change(opened.vault, opened.secrets, edit)
    slot = vault.document.slots[-1]
    session.out.result(_shown(slot), f"added slot {slot.id.hex()[:_ID_SHOWN]}: {slot.kind}")


@group.command()
@click.argument("slot_id", metavar="ID")
@session_options()
def remove(session: Session, *, slot_id: str) -> None:
    """Remove the slot whose id begins with ID. The last one stays.

    A copy of the vault document that somebody already has still opens with what is removed here: keys rotate --master
    keeps it from future epochs.
    """

    def edit(vault: OpenVault) -> OpenVault:
        return vault.remove_slot(_removable(vault, slot_id).id)

    with open_vault(session) as opened:
        slot = _removable(opened.vault, slot_id)
        opened.keeper.change(opened.vault, opened.secrets, edit)
    session.out.result({"removed": slot.id.hex()}, f"removed slot {slot.id.hex()[:_ID_SHOWN]}: {slot.kind}")
    session.out.note("a copy made before still opens with it; cybs3 keys rotate --master keeps it from future epochs")


def _new_secret(passphrase_file: Path | None, mnemonic_file: Path | None) -> Secret:
    if passphrase_file is not None and mnemonic_file is not None:
        raise click.UsageError("a slot opens with a passphrase or with words, not with both")
    sources = secret_sources()
    words = sources.from_options(MNEMONIC, mnemonic_file)
    if words is not None:
        return MnemonicSecret(words)
    passphrase = sources.from_options(PASSPHRASE, passphrase_file) or sources.ask(PASSPHRASE, again=True)
    if passphrase is None:
        raise NoSecret("the passphrase of the new slot is missing", hint="give it with --new-passphrase-file")
    return PassphraseSecret(passphrase)


def _find(vault: OpenVault, slot_id: str) -> Slot:
    found = [slot for slot in vault.document.slots if slot_id and slot.id.hex().startswith(slot_id.lower())]
    if len(found) != 1:
        what = "no slot" if not found else f"{len(found)} slots"
        raise NoSuchSlot(f"{what} with an id that begins with {slot_id!r}", hint="cybs3 keys slots list shows them")
    return found[0]


def _removable(vault: OpenVault, slot_id: str) -> Slot:
    slot = _find(vault, slot_id)
    if len(vault.document.slots) == 1:
        raise LastSlot(
            f"slot {slot.id.hex()[:_ID_SHOWN]} is the last way to unlock the vault",
            hint="add another first: cybs3 keys slots add",
        )
    return slot


def _shown(slot: Slot) -> dict[str, object]:
    return {"id": slot.id.hex(), "kind": slot.kind, "label": printable(slot.label), "created": slot.created}
