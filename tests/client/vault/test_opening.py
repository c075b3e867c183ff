"""Opening, making and changing a vault, with a server that may lie and a second writer who may be faster."""

import os
from collections.abc import Callable
from dataclasses import replace

import pytest

from cybous3.client.keys.errors import Rollback
from cybous3.client.stores.documents import BucketDocuments
from cybous3.client.stores.errors import ConnectionLost
from cybous3.client.stores.memory import MemoryStore
from cybous3.client.vault.documents import Documents
from cybous3.client.vault.errors import NoVaultThere, TwoWriters, VaultExists
from cybous3.client.vault.opening import DocumentState, Keeper, SeedSecret
from cybous3.crypto.errors import CannotUnlock, Damaged, Malformed
from cybous3.crypto.kdf import FOR_TESTS_ONLY
from cybous3.crypto.mnemonic import create_mnemonic, mnemonic_seed
from cybous3.crypto.names import NamesMode
from cybous3.crypto.slots import MnemonicSecret, PassphraseSecret
from cybous3.crypto.vault import OpenVault, document_key

Machine = Callable[[str], Keeper]
WORDS = create_mnemonic(bytes)
MINE = SeedSecret(mnemonic_seed(WORDS))
THEIRS = SeedSecret(bytes(64))


def rotated(vault: OpenVault) -> OpenVault:
    return vault.rotate_epoch(created=1, entropy=os.urandom)


def raw(store: MemoryStore, generation: int) -> bytes:
    with store.get(document_key("p", generation)) as download:
        return download.read()


def test_a_new_machine_needs_place_and_words_alone(machine: Machine) -> None:
    made = machine("a").create([(MINE, "words")], NamesMode.PLAIN)
    found = machine("b").open([MINE])
    assert found.keyset == made.keyset
    assert (found.generation, found.document.names) == (1, NamesMode.PLAIN)


def test_the_seed_opens_what_the_words_open_and_the_reverse(machine: Machine) -> None:
    machine("a").create([(MnemonicSecret(WORDS), "words")])
    assert machine("b").open([MINE]).generation == 1
    assert machine("c").open([THEIRS, MnemonicSecret(WORDS)]).generation == 1


def test_opening_never_makes_anything(machine: Machine, store: MemoryStore) -> None:
    with pytest.raises(NoVaultThere) as caught:
        machine("a").open([MINE])
    assert caught.value.exit_code == 3
    assert list(store.list().entries) == []


def test_a_vault_is_made_once(machine: Machine, store: MemoryStore) -> None:
    machine("a").create([(MINE, "words")])
    before = raw(store, 1)
    with pytest.raises(VaultExists) as caught:
        machine("b").create([(THEIRS, "words")])
    assert caught.value.exit_code == 22
    assert raw(store, 1) == before


def test_of_two_who_make_it_at_once_one_is_told(machine: Machine, store: MemoryStore) -> None:
    """The other one writes between the look and the write."""

    class Late(BucketDocuments):
        def newest(self) -> int | None:
            return None

    first, second = machine("a"), machine("b")
    first.create([(MINE, "words")])
    with pytest.raises(VaultExists):
        replace(second, documents=Late(store, "p")).create([(THEIRS, "words")])


def test_wrong_words_are_one_answer(machine: Machine) -> None:
    machine("a").create([(MINE, "words")])
    for secrets in ([THEIRS], [], [PassphraseSecret("x")]):
        with pytest.raises(CannotUnlock) as caught:
            machine("b").open(secrets)
        assert caught.value.exit_code == 10


def test_an_older_document_is_noticed_by_who_saw_a_newer(machine: Machine, store: MemoryStore) -> None:
    mine = machine("a")
    vault = mine.create([(MINE, "words")])
    mine.change(vault, [MINE], rotated)
    store.delete(document_key("p", 2))
    with pytest.raises(Rollback) as caught:
        mine.open([MINE], expected=vault.vault_id)
    assert caught.value.exit_code == 12
    assert machine("fresh").open([MINE]).generation == 1
    assert mine.open([MINE], expected=vault.vault_id, accept_rollback=True).generation == 1
    assert mine.open([MINE], expected=vault.vault_id).generation == 1


def test_an_old_document_under_a_new_number_is_not_believed(machine: Machine, store: MemoryStore) -> None:
    vault = machine("a").create([(MINE, "words")])
    store.put(document_key("p", 9), raw(store, 1))
    with pytest.raises(Damaged):
        machine("b").open([MINE], expected=vault.vault_id)


def test_another_vault_at_the_place_is_noticed(machine: Machine, store: MemoryStore) -> None:
    mine = machine("a")
    vault = mine.create([(MINE, "words")])
    store.delete(document_key("p", 1))
    machine("b").create([(MINE, "words")])
    mine.cache.forget(vault.vault_id)
    with pytest.raises(Rollback, match="another vault"):
        mine.open([MINE], expected=vault.vault_id)
    assert mine.open([MINE], expected=vault.vault_id, accept_rollback=True).vault_id != vault.vault_id


def test_a_replaced_document_of_the_same_number_is_noticed(machine: Machine, store: MemoryStore) -> None:
    """Two documents of one generation, both genuine: somebody shows one to you and one to me."""
    mine = machine("a")
    vault = mine.create([(MINE, "words")])
    mine.change(vault, [MINE], rotated)
    store.put(document_key("p", 2), rotated(vault).document.encode())
    mine.cache.forget(vault.vault_id)
    with pytest.raises(Rollback, match="another generation 2"):
        mine.open([MINE], expected=vault.vault_id)


def test_a_tampered_document_is_damaged(machine: Machine, store: MemoryStore) -> None:
    machine("a").create([(MINE, "words")])
    store.put(document_key("p", 1), raw(store, 1).replace(b'"encrypted"', b'"plain"'))
    with pytest.raises(Damaged):
        machine("b").open([MINE])
    store.put(document_key("p", 1), b"{}")
    with pytest.raises(Malformed):
        machine("b").open([MINE])


def test_a_listed_document_that_is_not_there(machine: Machine, store: MemoryStore) -> None:
    class Ghost(BucketDocuments):
        def newest(self) -> int | None:
            return 5

    with pytest.raises(NoVaultThere, match="5"):
        replace(machine("a"), documents=Ghost(store, "p")).open([MINE])


def test_a_known_document_is_opened_from_its_copy(machine: Machine, store: MemoryStore) -> None:
    mine = machine("a")
    vault = mine.create([(MINE, "words")])

    class NoReading(BucketDocuments):
        def read(self, generation: int) -> bytes | None:
            raise AssertionError(generation)

    assert replace(mine, documents=NoReading(store, "p")).open([MINE], expected=vault.vault_id).generation == 1


def test_a_damaged_copy_is_no_copy(machine: Machine) -> None:
    mine = machine("a")
    vault = mine.create([(MINE, "words")])
    mine.cache.write(vault.vault_id, b"garbage")
    assert mine.open([MINE], expected=vault.vault_id).generation == 1
    assert mine.cache.read(vault.vault_id) == vault.document.encode()


def test_who_comes_second_repeats_the_change_on_what_is_there(machine: Machine) -> None:
    a, b = machine("a"), machine("b")
    mine = a.create([(MINE, "words")])
    theirs = b.open([MINE])
    a.change(mine, [MINE], rotated)
    seen: list[int] = []

    def edit(vault: OpenVault) -> OpenVault:
        seen.append(vault.generation)
        return rotated(vault)

    after = b.change(theirs, [MINE], edit)
    assert seen == [1, 2]
    assert (after.generation, after.keyset.primary[0]) == (3, 3)


def test_somebody_who_is_always_faster_is_told(machine: Machine) -> None:
    a, b = machine("a"), machine("b")
    vault = a.create([(MINE, "words")])
    b.open([MINE])

    def edit(mine: OpenVault) -> OpenVault:
        b.change(b.open([MINE]), [MINE], rotated)
        return rotated(mine)

    with pytest.raises(TwoWriters) as caught:
        a.change(vault, [MINE], edit)
    assert caught.value.exit_code == 22


@pytest.mark.parametrize("arrived", [True, False])
def test_a_lost_answer_is_decided_by_what_is_there(
    machine: Machine, store: MemoryStore, arrived: bool
) -> None:  # a parameter
    class Lossy(BucketDocuments):
        def create(self, generation: int, document: bytes) -> bool:
            if arrived:
                super().create(generation, document)
            raise ConnectionLost("lost")

    documents: Documents = Lossy(store, "p")
    lossy = replace(machine("a"), documents=documents)
    if arrived:
        assert lossy.create([(MINE, "words")]).generation == 1
    else:
        with pytest.raises(ConnectionLost):
            lossy.create([(MINE, "words")])
        assert list(store.list().entries) == []


def test_slots_come_and_go(machine: Machine) -> None:
    mine, passphrase = machine("a"), PassphraseSecret("x", FOR_TESTS_ONLY)
    vault = mine.create([(MINE, "words")])
    vault = mine.change(vault, [MINE], lambda v: v.add_slot(passphrase, created=1, label="spare", entropy=os.urandom))
    assert machine("b").open([THEIRS, passphrase]).generation == 2
    spare = vault.document.slots[1].id
    mine.change(vault, [MINE], lambda v: v.remove_slot(spare))
    with pytest.raises(CannotUnlock):
        machine("c").open([passphrase])


def test_a_new_master_key_leaves_old_slots_out(machine: Machine) -> None:
    mine, passphrase = machine("a"), PassphraseSecret("x", FOR_TESTS_ONLY)
    vault = mine.create([(MINE, "words"), (passphrase, "spare")])
    changed = mine.change(vault, [MINE], lambda v: v.rotate_master([(MINE, "words")], created=1, entropy=os.urandom))
    assert changed.vmk != vault.vmk
    assert changed.keyset.names_key == vault.keyset.names_key
    with pytest.raises(CannotUnlock):
        machine("b").open([passphrase])


def test_a_slot_with_parameters_we_do_not_know_opens_nothing() -> None:
    with pytest.raises(Damaged):
        MINE.material({"name": "bip39", "rounds": 1})
    assert "seed" not in repr(MINE)


def test_the_buckets_own_document_is_inspected_whatever_the_copy_says(machine: Machine, store: MemoryStore) -> None:
    mine = machine("a")
    vault = mine.create([(MINE, "words")])
    sound = raw(store, 1)
    assert mine.inspect(vault) is DocumentState.OK
    for damaged in (b"", b"{}", sound[:-1], sound.replace(b'"label":"words"', b'"label":"wards"')):
        assert damaged != sound
        store.put(document_key("p", 1), damaged)
        assert mine.open([MINE], expected=vault.vault_id).keyset == vault.keyset
        assert mine.inspect(vault) is DocumentState.DAMAGED
    store.delete(document_key("p", 1))
    assert mine.inspect(vault) is DocumentState.MISSING
