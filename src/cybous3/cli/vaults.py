"""`cybs3 vaults`: named places for encrypted data."""

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cybous3.cli.endpoints import endpoint_options, secret_key, take
from cybous3.cli.opening import (
    access_of,
    check_passphrase,
    home_places,
    keeper_of,
    open_profile,
    opening_secrets,
    profiles_of,
    secret_sources,
    store_of,
    unlock_home,
)
from cybous3.cli.options import Session, session_options
from cybous3.cli.output import printable
from cybous3.cli.words import words_or_new_ones
from cybous3.client.keys.login import Unlocked, keep_unlocked, login_with_words
from cybous3.client.keys.sources import MNEMONIC, Sources
from cybous3.client.keys.state import open_state
from cybous3.client.stores.connect import open_buckets
from cybous3.client.stores.errors import AlreadyExists, BadCredentials, Denied, NameTaken
from cybous3.client.stores.port import Store, each_entry
from cybous3.client.stores.probe import probe
from cybous3.client.stores.retry import Policy
from cybous3.client.stores.surroundings import look_around
from cybous3.client.vault.documents import Cache
from cybous3.client.vault.errors import BadProfile, DamagedDocument, NoDocument, NoVaultThere, VaultExists
from cybous3.client.vault.opening import DocumentState, SeedSecret
from cybous3.client.vault.profiles import Profile, public_view
from cybous3.core.errors import CybousError
from cybous3.crypto.errors import Damaged, Malformed
from cybous3.crypto.names import NamesMode
from cybous3.crypto.slots import Secret
from cybous3.crypto.vault import OpenVault

if TYPE_CHECKING:
    from cybous3.server.app.discovery import Instance

WORDS_LABEL = "recovery words"
_DELETE_BATCH = 1000
# Somebody who adds a vault waits in front of it: a wrong address should not take half a minute to be noticed.
_HASTE = Policy(attempts_max=3)


@click.group()
def group() -> None:
    """Add, choose and inspect vaults."""


@group.command()
@click.argument("name")
@click.option("--endpoint", required=True, metavar="URL", help="The S3 server, such as https://s3.example.net.")
@click.option("--bucket", required=True, help="The bucket the vault lies in.")
@click.option("--prefix", default="", help="The folder in the bucket the vault lies in (default: all of it).")
@endpoint_options
@click.option("--anonymous", is_flag=True, help="Send requests without credentials.")
@click.option("--create-bucket", is_flag=True, help="Make the bucket if it is not there.")
@click.option(
    "--names", type=click.Choice(["encrypted", "plain"]), help="How a new vault writes names (default: encrypted)."
)
@click.option("--no-select", is_flag=True, help="Do not make it the vault of commands that name none.")
@session_options()
def add(session: Session, **options: Any) -> None:  # noqa: ANN401  # click passes what the options say
    """Add the vault NAME: open the one at that place, or make a new one where there is none.

    On a new machine, endpoint, credentials and recovery words are all that is needed to reach what is there.
    """
    sources = secret_sources()
    profile = _profile(sources, options)
    unlocked = unlock_home(session, sources, for_vault=True)
    if options["create_bucket"]:
        _ensure_bucket(profile)
    secrets = opening_secrets(session, unlocked, sources)
    names = None if options["names"] is None else NamesMode(options["names"])
    check = partial(check_passphrase, session, unlocked, secrets)
    _report(session, _add(profile, unlocked, secrets, names, check, select=not options["no_select"]))


@group.command()
@click.argument("name", default="local")
@click.option("--bucket", help="The bucket to use (default: cybs3-NAME).")
@click.option("--prefix", default="", help="The folder in the bucket (default: all of it).")
@click.option(
    "--data", type=click.Path(path_type=Path, file_okay=False), help="The server's data directory, when several run."
)
@click.option(
    "--mnemonic-out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where new recovery words go when none are set up: a new file, mode 600.",
)
@session_options()
def local(
    session: Session, *, name: str, bucket: str | None, prefix: str, data: Path | None, mnemonic_out: Path | None
) -> None:
    """Set up the vault NAME on a server running on this machine: bucket, scoped key, vault, selected.

    With no recovery words set up yet, new ones are made, and shown once or written to --mnemonic-out.
    """
    from cybous3.cli.local_server import find_server  # noqa: PLC0415  # brings the server's index along

    server = find_server(data)
    bucket = bucket or f"cybs3-{name.lower()}"
    sources = secret_sources()
    unlocked = _unlocked_or_new(session, sources, mnemonic_out)
    known = next((profile for profile in profiles_of(unlocked).all() if profile.name == name), None)
    if known is not None and (known.bucket, known.prefix) != (bucket, prefix):
        raise BadProfile(f"there is a vault {name!r} already, at {known.place}", hint="choose another name")
    profile = _local_profile(server, known or Profile(name, server.endpoint, bucket, prefix))
    secrets = opening_secrets(session, unlocked, sources)
    check = partial(check_passphrase, session, unlocked, secrets)
    _report(session, _add(profile, unlocked, secrets, None, check, select=True, replacing=known is not None))


@group.command(name="list")
@session_options()
def list_(session: Session) -> None:
    """List the vaults this machine knows."""
    profiles = profiles_of(unlock_home(session))
    selected, found = profiles.selected(), profiles.all()
    session.out.result([{**public_view(profile), "selected": profile.name == selected} for profile in found])
    session.out.table(
        ("", "NAME", "ENDPOINT", "BUCKET", "PREFIX"),
        [("*" if p.name == selected else "", p.name, p.endpoint, p.bucket, p.prefix) for p in found],
    )


@group.command()
@click.argument("name")
@session_options()
def select(session: Session, *, name: str) -> None:
    """Make NAME the vault of commands that name none."""
    profiles_of(unlock_home(session)).select(name)
    session.out.result({"selected": name}, f"selected {name}")


@group.command()
@click.argument("name")
@click.option(
    "--purge", is_flag=True, help="First delete everything under the vault's prefix in the bucket. No way back."
)
@click.option("--yes", is_flag=True, help="Do not ask before purging.")
@session_options()
def delete(session: Session, *, name: str, purge: bool, yes: bool) -> None:
    """Forget the vault NAME on this machine. The bucket is not touched, unless --purge is given."""
    unlocked = unlock_home(session)
    profiles = profiles_of(unlocked)
    profile = profiles.find(name)
    deleted = _purge(session, profile, yes=yes) if purge else 0
    profiles.delete(name)
    _forget(unlocked, profile)
    rest = f"; {deleted} objects deleted" if purge else "; what it holds stays in the bucket"
    session.out.result({"deleted": name, "purged": purge, "objects_deleted": deleted}, f"forgot {name}{rest}")


@group.command()
@click.argument("name", required=False)
@click.option("--accept-rollback", is_flag=True, help="Go on although the vault is older than this machine has seen.")
@session_options()
def status(session: Session, *, name: str | None, accept_rollback: bool) -> int:
    """Show whether the vault can be reached and opened, its generation, epochs and slots, and the clock's skew.

    The vault document is fetched from the bucket and compared, whatever copy this machine has (exit code 11: damaged).
    """
    sources = secret_sources()
    unlocked = unlock_home(session, sources, for_vault=True)
    profile = profiles_of(unlocked).find(name or session.vault)
    secrets = opening_secrets(session, unlocked, sources)
    shown: dict[str, Any] = {**public_view(profile), "reachable": False, "opened": False}
    failure: CybousError | None = None
    try:
        seen = probe(access_of(profile), profile.bucket)
        shown |= {"reachable": True, "latency_ms": seen.latency_ms, "clock_skew_s": seen.clock_skew_s}
        with open_profile(profile, unlocked, secrets, accept_rollback=accept_rollback) as opened:
            check_passphrase(session, unlocked, secrets, opened.vault)
            document = opened.keeper.inspect(opened.vault)
            shown |= {"opened": True, "document": str(document), **_describe(opened.vault)}
            _ensure_sound(document, opened.vault.generation)
    except CybousError as error:
        failure = error
        if isinstance(error, Damaged | Malformed):  # opened without a copy on this machine
            shown["document"] = str(DocumentState.DAMAGED)
        shown["error"] = {"message": error.message, "hint": error.hint, "exit_code": error.exit_code}
    session.out.result(shown, _status_lines(shown))
    if failure is not None and not session.out.as_json:
        session.out.error("cybs3", failure)
    return 0 if failure is None else failure.exit_code


@dataclass(frozen=True)
class _Added:
    profile: Profile
    vault: OpenVault
    created: bool
    occupied: bool = False  # a new vault, in a place where other objects lie


def _add(
    profile: Profile,
    unlocked: Unlocked,
    secrets: Sequence[Secret],
    names: NamesMode | None,
    check: Callable[[OpenVault | None], None],
    *,
    select: bool,
    replacing: bool = False,
) -> _Added:
    """Open the vault at the profile's place, make it if there is none, and keep the profile.

    `names` None: as the vault has it, encrypted for a new one. VaultExists when a new one would
    lie in or around another.
    """
    profiles = profiles_of(unlocked)
    if not replacing:
        profiles.ensure_free(profile.name)
    expected = None if profile.vault_id is None else bytes.fromhex(profile.vault_id)
    store = store_of(profile, _HASTE)
    try:
        with open_state(unlocked.places.home.state) as state:
            keeper = keeper_of(profile, store, state, unlocked)
            try:
                vault, created, occupied = keeper.open(secrets, expected=expected), False, False
                check(vault)
                _ensure_names(vault, names)
            except NoVaultThere:
                if expected is not None:
                    raise
                check(None)
                occupied = _ensure_apart(store, profile)
                words = [(SeedSecret(unlocked.seed), WORDS_LABEL)]
                vault, created = keeper.create(words, names or NamesMode.ENCRYPTED), True
    finally:
        store.close()
    profile = replace(profile, vault_id=vault.vault_id.hex())
    profiles.add(profile, select=select, replacing=replacing)
    return _Added(profile, vault, created, occupied)


def _ensure_names(vault: OpenVault, names: NamesMode | None) -> None:
    """Raise when a vault that is there writes names in another way than was asked for: that is settled for good."""
    mode = vault.document.names
    if names not in {None, mode}:
        raise BadProfile(
            f"the vault at this place writes names {mode}; --names {names} cannot change that",
            hint="leave --names out, or choose another place for a new vault",
        )


def _ensure_sound(document: DocumentState, generation: int) -> None:
    """Raise what a document that is not sound in the bucket means: this machine's copy opened the vault."""
    if document is DocumentState.OK:
        return
    what = f"the vault document {generation} in the bucket is {document}; this machine's copy opened the vault"
    hint = "other machines cannot open it; cybs3 keys rotate writes a new one from this machine's copy"
    raise (NoDocument if document is DocumentState.MISSING else DamagedDocument)(what, hint=hint)


def _ensure_apart(store: Store, profile: Profile) -> bool:
    """Raise VaultExists when another vault lies around or below the place; tell whether other objects lie there."""
    around = look_around(store, profile.prefix)
    other = around.above if around.above is not None else around.below
    if other is not None:
        where = f"at {other!r}" if other else "at the root"
        relation = "around" if around.above is not None else "inside"
        raise VaultExists(
            f"a vault lies {where} of bucket {profile.bucket!r}, {relation} this place; vaults cannot be nested",
            hint="choose a prefix beside it, or open that one with its own --prefix",
        )
    return around.occupied


def _report(session: Session, added: _Added) -> None:
    did = "made a new vault" if added.created else "opened the vault that was there"
    shown = {**public_view(added.profile), "created": added.created, **_describe(added.vault)}
    session.out.result(shown, f"{did}: {added.profile.name} at {added.profile.place}")
    if added.occupied:
        session.out.warn(
            "other objects lie at this place already; they are no part of the vault, and --purge would delete them too"
        )


def _profile(sources: Sources, options: dict[str, Any]) -> Profile:
    endpoint = take(options)
    profile = Profile(
        options["name"],
        options["endpoint"],
        options["bucket"],
        options["prefix"].strip("/"),
        region=endpoint.region,
        addressing=endpoint.addressing,
        anonymous=options["anonymous"],
        ca_file=None if endpoint.ca_file is None else str(endpoint.ca_file.absolute()),
    )
    if endpoint.access_key is None or profile.anonymous:
        return profile
    return replace(profile, access_key=endpoint.access_key, secret_key=secret_key(sources, endpoint))


def _local_profile(server: "Instance", profile: Profile) -> Profile:
    """Return the profile with this server's address and a key for its bucket, which is made if it is not there."""
    profile = replace(profile, endpoint=server.endpoint, region=server.region)
    if profile.access_key is not None:
        try:
            _ensure_bucket(profile)
        except (BadCredentials, Denied):
            pass  # the server was set up anew since: the old key is nobody's
        else:
            return profile
    from cybous3.cli.local_server import scoped_key  # noqa: PLC0415  # as above

    key = scoped_key(server, profile.bucket)
    profile = replace(profile, access_key=key.access_key, secret_key=key.secret_key)
    _ensure_bucket(profile)
    return profile


def _ensure_bucket(profile: Profile) -> None:
    with closing(open_buckets(replace(access_of(profile), policy=_HASTE))) as buckets:
        if buckets.has_bucket(profile.bucket):
            return
        try:
            buckets.create_bucket(profile.bucket)
        except NameTaken:
            raise
        except AlreadyExists:
            return  # somebody of ours was faster


def _unlocked_or_new(session: Session, sources: Sources, mnemonic_out: Path | None) -> Unlocked:
    """Unlock this machine; set it up first if it is not, with the words given or with new ones."""
    places = home_places()
    given = session.secrets.mnemonic_file is not None or sources.from_environment(MNEMONIC) is not None
    if places.exists():
        return unlock_home(session, sources, for_vault=True)
    if given:
        unlocked = unlock_home(session, sources, for_vault=True)
    else:
        unlocked = login_with_words(places, words_or_new_ones(session.out, mnemonic_out))
    keep_unlocked(unlocked, None)
    return unlocked


def _purge(session: Session, profile: Profile, *, yes: bool) -> int:
    what = (
        f"all of bucket {profile.bucket!r}"
        if not profile.prefix
        else f"everything under {profile.prefix!r} in {profile.bucket!r}"
    )
    if not yes:
        click.confirm(f"delete {what} at {profile.endpoint}? nobody can bring it back", abort=True, err=True)
    session.out.note(f"deleting {what}")
    store = store_of(profile)
    try:
        return _delete_below(store, f"{profile.prefix}/" if profile.prefix else "")
    finally:
        store.close()


def _delete_below(store: Store, prefix: str) -> int:
    deleted = 0
    for upload in store.list_uploads(prefix):
        store.abort_upload(upload.key, upload.upload_id)
    keys = [entry.key for entry in each_entry(store, prefix)]
    for start in range(0, len(keys), _DELETE_BATCH):
        batch = keys[start : start + _DELETE_BATCH]
        failures = store.delete_many(batch)
        if failures:
            first = failures[0]
            raise CybousError(f"{len(failures)} objects could not be deleted, the first: {first.key!r}: {first.code}")
        deleted += len(batch)
    return deleted


def _forget(unlocked: Unlocked, profile: Profile) -> None:
    """Forget what this machine remembered of the vault, unless another profile still leads to it."""
    others = {other.vault_id for other in profiles_of(unlocked).all()}
    if profile.vault_id is None or profile.vault_id in others:
        return
    vault_id, home = bytes.fromhex(profile.vault_id), unlocked.places.home
    Cache(home.vaults).forget(vault_id)
    with open_state(home.state) as state:
        state.forget_vault(vault_id)


def _describe(vault: OpenVault) -> dict[str, Any]:
    return {
        "vault_id": vault.vault_id.hex(),
        "fingerprint": vault.fingerprint(),
        "generation": vault.generation,
        "names": str(vault.document.names),
        "epochs": [
            {"number": epoch.number, "state": str(epoch.state), "created": _date(epoch.created)}
            for epoch in vault.keyset.epochs
        ],
        "slots": [
            {"id": slot.id.hex(), "kind": slot.kind, "label": slot.label, "created": _date(slot.created)}
            for slot in vault.document.slots
        ],
    }


def _date(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def _status_lines(shown: dict[str, Any]) -> list[str]:
    lines = [f"{shown['name']}: {shown['endpoint']}, bucket {shown['bucket']}"]
    if shown["reachable"]:
        skew = shown["clock_skew_s"]
        lines.append(
            f"  reachable in {shown['latency_ms']} ms, clock skew {'unknown' if skew is None else f'{skew} s'}"
        )
    if "document" in shown:
        lines.append(f"  vault document in the bucket: {shown['document']}")
    if shown["opened"]:
        lines.append(f"  vault {shown['fingerprint']}, generation {shown['generation']}, names {shown['names']}")
        lines += [f"  epoch {e['number']}: {e['state']} since {e['created']}" for e in shown["epochs"]]
        lines += [f"  slot {s['kind']}: {printable(s['label'])}, since {s['created']}" for s in shown["slots"]]
    return lines
