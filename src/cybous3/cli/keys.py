"""`cybs3 keys`: recovery words, and the keys of a vault."""

import os
import time
from collections.abc import Sequence
from pathlib import Path

import click

from cybous3.cli.opening import Opened, open_vault, secret_sources, unlock_home
from cybous3.cli.options import Session, session_options
from cybous3.cli.slots import group as slots
from cybous3.client.keys.errors import NoSecret
from cybous3.client.keys.files import write_private
from cybous3.client.keys.sources import MNEMONIC, PASSPHRASE
from cybous3.client.vault.opening import LabelledSecret
from cybous3.crypto.mnemonic import create_mnemonic, mnemonic_fingerprint
from cybous3.crypto.slots import PASSPHRASE as PASSPHRASE_SLOT
from cybous3.crypto.slots import PassphraseSecret, Secret, Slot
from cybous3.crypto.vault import OpenVault

_LEFT_OUT = "slots that were left out cannot open future epochs; epochs they have seen stay open to them"
_LIMITS: dict[bool, tuple[str, ...]] = {
    False: (
        "new files are wrapped under the new epoch; files stored before keep theirs",
        "a copy of the vault document and a secret that somebody already has still open what they opened before",
    ),
    True: ("files stored before keep their wrapped keys until they are stored again",),
}


@click.group()
def group() -> None:
    """Create, check and rotate keys."""


group.add_command(slots)


@group.command()
@click.option("--words", type=click.Choice(["24", "12"]), default="24", help="How many words.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write them to this new file, mode 600.")
@session_options(vault=False)
def create(session: Session, *, words: str, out: Path | None) -> None:
    """Make new recovery words and write them to standard output, once.

    They open every vault made with them. Nobody can recover them; write them down.
    """
    mnemonic = create_mnemonic(os.urandom, int(words))
    shown: dict[str, object] = {"fingerprint": mnemonic_fingerprint(mnemonic)}
    if out is None:
        session.out.result({**shown, "mnemonic": mnemonic}, mnemonic)
        return
    write_private(out, f"{mnemonic}\n".encode(), replace=False)
    session.out.result({**shown, "file": str(out)}, f"{words} words written to {out}")


@group.command()
@session_options()
def validate(session: Session) -> None:
    """Check recovery words from --mnemonic-file, the environment or a prompt: count, list and checksum."""
    words = secret_sources().find(MNEMONIC, session.secrets.mnemonic_file)
    if words is None:
        raise NoSecret("there are no words to check", hint="give them with --mnemonic-file")
    fingerprint = mnemonic_fingerprint(words)
    shown = {"valid": True, "words": len(words.split()), "fingerprint": fingerprint}
    session.out.result(shown, f"valid: {shown['words']} words, fingerprint {fingerprint}")


@group.command()
@session_options()
def fingerprint(session: Session) -> None:
    """Show the short public name of recovery words: those given, else those this machine is logged in with."""
    sources = secret_sources()
    words = sources.from_options(MNEMONIC, session.secrets.mnemonic_file)
    found = mnemonic_fingerprint(words) if words else unlock_home(session, sources).fingerprint
    session.out.result({"fingerprint": found}, found)


@group.command()
@click.option("--master", is_flag=True, help="Also replace the vault's master key and re-make its slots.")
@click.option("--drop-slots", is_flag=True, help="With --master: leave out slots whose secret is not here.")
@session_options()
def rotate(session: Session, *, master: bool, drop_slots: bool) -> None:
    """Begin a new epoch of the vault's keys: files stored from now on are wrapped under a new key."""
    if drop_slots and not master:
        raise click.UsageError("--drop-slots goes with --master: only a new master key re-makes slots")
    with open_vault(session) as opened:
        secrets = _remaining(opened, drop_slots=drop_slots) if master else []
        left_out = master and len(secrets) < len(opened.vault.document.slots)

        def edit(vault: OpenVault) -> OpenVault:
            created = int(time.time())
            if master:
                return vault.rotate_master(secrets, created=created, entropy=os.urandom)
            return vault.rotate_epoch(created=created, entropy=os.urandom)

        vault = opened.keeper.change(opened.vault, opened.secrets, edit)
    epoch = vault.keyset.primary[0]
    shown = {"vault": opened.profile.name, "generation": vault.generation, "epoch": epoch, "master": master}
    session.out.result(shown, f"vault {opened.profile.name}: epoch {epoch}, generation {vault.generation}")
    for line in (*([_LEFT_OUT] if left_out else []), *_LIMITS[master]):
        session.out.note(line)


def _remaining(opened: Opened, *, drop_slots: bool) -> Sequence[LabelledSecret]:
    """Return the secrets whose slots survive a new master key: a slot is re-made only by who has its secret.

    Slots nobody here can re-make are left out only if that was asked for: they may be somebody else's way in.
    """
    remaining, lost = _matched(opened.vault, opened.secrets)
    if any(slot.kind == PASSPHRASE_SLOT for slot in lost) and not drop_slots:
        passphrase = secret_sources().ask(PASSPHRASE)
        if passphrase is not None:
            remaining, lost = _matched(opened.vault, [*opened.secrets, PassphraseSecret(passphrase)])
    if lost and not drop_slots:
        named = ", ".join(f"{slot.kind} {slot.label!r}" for slot in lost)
        raise NoSecret(
            f"a slot is re-made only with its secret, and these would be lost: {named}",
            hint="give a passphrase with --passphrase-file, or leave such slots out with --drop-slots",
        )
    return remaining


def _matched(vault: OpenVault, secrets: Sequence[Secret]) -> tuple[list[LabelledSecret], list[Slot]]:
    """Pair each slot with the secret that opens it; return the pairs, and the slots that none opens."""
    found: list[LabelledSecret] = []
    lost: list[Slot] = []
    for slot in vault.document.slots:
        fitting = (s for s in secrets if s.kind == slot.kind and slot.open(s, vault.vault_id) is not None)
        secret = next(fitting, None)
        if secret is None:
            lost.append(slot)
        else:
            found.append((secret, slot.label))
    return found, lost
