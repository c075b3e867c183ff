"""Recovery words that a command makes because none are set up yet: shown to a person once, or written to a file."""

import os
from pathlib import Path

from cybous3.cli.output import Out
from cybous3.client.keys.errors import NoSecret
from cybous3.client.keys.files import write_private
from cybous3.crypto.mnemonic import create_mnemonic


def words_or_new_ones(out: Out, file: Path | None) -> str:
    """Make new words and hand them to the person. Raises NoSecret where they would reach nobody."""
    if file is None and not out.interactive:
        raise NoSecret(
            "no recovery words are set up, and nobody would see new ones",
            hint="give yours with --mnemonic-file, or say with --mnemonic-out where new ones go",
        )
    words = create_mnemonic(os.urandom)
    if file is not None:
        write_private(file, f"{words}\n".encode(), replace=False)
        out.note(f"new recovery words written to {file}: keep them, nobody can recover them")
        return words
    out.warn("these are your recovery words. Write them down now: they are shown once, and nobody can recover them.")
    out.stderr.write(f"\n  {words}\n\n")
    return words
