"""What a new index shall say, from what is left of the old one and from what the blobs say of themselves. Pure.

Of each key the newest state counts: the old index's row, or a label that was written later. A row whose blobs are not
there gives way to the newest label whose blobs are. What an upload's manifest names is an object; parts that no object
names are an unfinished upload again.

What it cannot know, it does not guess: a small object whose row is lost is lost, for it had no blob; an object that was
deleted is not brought back as long as its blob is gone or known to wait for its deletion.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from cybous3.server.meta.port import UploadedPart
from cybous3.server.model.accounts import User
from cybous3.server.model.buckets import Bucket
from cybous3.server.model.objects import ObjectRecord
from cybous3.server.model.uploads import Upload
from cybous3.server.store.labels import Label

ID_SHOWN: Final = 8


@dataclass(frozen=True, slots=True)
class Loss:
    """Something that is not in the new index, or not whole, and why."""

    kind: str
    name: str
    reason: str


@dataclass(slots=True)
class Plan:
    """What the labels add to, and take the place of in, the rows of the old index."""

    labelled: dict[tuple[str, str], ObjectRecord] = field(default_factory=dict)  # instead of, or beside, the rows
    uploads: list[Upload] = field(default_factory=list)
    parts: list[UploadedPart] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)


def newest_of(labels: Iterable[Label]) -> dict[tuple[str, str], list[Label]]:
    """Return the labels of objects and manifests by key, each list newest first."""
    found: dict[tuple[str, str], list[Label]] = {}
    for label in labels:
        if label.record is not None:
            found.setdefault(label.place, []).append(label)
    for of_key in found.values():
        of_key.sort(key=_age, reverse=True)
    return found


def _age(label: Label) -> tuple[int, int]:
    return (label.record.modified_ms if label.record is not None else 0), label.at_us


def choose(
    row: ObjectRecord | None, candidates: Sequence[Label], whole: Collection[str]
) -> tuple[ObjectRecord | None, str]:
    """Return what a key shall be, and why it is not what it was, "" if it is.

    `whole` holds the blobs that are there and whole. A row that is not whole is kept if there is nothing better: its
    object answers an error, and its name and metadata are not forgotten.
    """
    good = next((label.record for label in candidates if label.record and _is_whole(label.record, whole)), None)
    if row is not None and _is_whole(row, whole):
        return (good, "") if good is not None and good.modified_ms > row.modified_ms else (row, "")
    if good is not None:
        return good, "" if row is None else "its newest bytes are gone; an older state takes their place"
    if row is not None:
        return row, "its bytes are missing or damaged"
    return None, "its bytes are missing or damaged"


def _is_whole(record: ObjectRecord, whole: Collection[str]) -> bool:
    return all(extent.blob in whole for extent in record.extents)


def unfinished(labels: Iterable[Label], taken: Collection[str]) -> tuple[list[Upload], list[UploadedPart]]:
    """Return the uploads whose parts no object names; `taken` holds the blobs that something names already.

    Of a part that was uploaded twice the later one counts.
    """
    uploads: dict[str, Upload] = {}
    parts: dict[tuple[str, int], tuple[int, UploadedPart]] = {}
    for label in labels:
        if label.upload is None or label.part is None or any(one.blob in taken for one in label.part.extents):
            continue
        upload, part = label.upload, label.part
        uploads[upload.id] = upload
        known = parts.get((upload.id, part.number))
        if known is None or known[0] < label.at_us:
            parts[upload.id, part.number] = label.at_us, UploadedPart(upload.bucket, upload.key, upload.id, part)
    return list(uploads.values()), [part for _, part in sorted(parts.values(), key=_of_part)]


def _of_part(entry: tuple[int, UploadedPart]) -> tuple[str, int]:
    return entry[1].upload_id, entry[1].part.number


def missing_buckets(
    known: Collection[str], owners: Mapping[str, str], region: str, now_ms: int
) -> tuple[list[Bucket], list[Loss]]:
    """Return the buckets that labels name and the old index does not tell of; `owners` is by bucket."""
    made = [Bucket(name, owner, region, now_ms) for name, owner in sorted(owners.items()) if name not in known]
    losses = [
        Loss("bucket", bucket.name, "made anew from labels: its region, mode and time of creation are not known")
        for bucket in made
    ]
    return made, losses


def missing_users(known: Collection[str], owners: Iterable[str]) -> tuple[list[User], list[Loss]]:
    """Return a user for each owner of a bucket whom the old index does not tell of."""
    ids = sorted(set(owners) - set(known))
    made = [User(owner, f"recovered-{owner[:ID_SHOWN]}", f"recovered-{owner[:ID_SHOWN]}") for owner in ids]
    losses = [
        Loss("user", user.id, f"its name and access keys are lost; it is {user.name!r} now: give it a new key")
        for user in made
    ]
    return made, losses


def named(strays: Iterable[tuple[int, ObjectRecord]], labels: Mapping[str, Label]) -> dict[int, tuple[str, str]]:
    """Return name and owner of lost buckets, by their numbers, from the labels of objects that were in them."""
    found: dict[int, tuple[str, str]] = {}
    for number, record in strays:
        for extent in record.extents:
            label = labels.get(extent.blob)
            if label is not None:
                found.setdefault(number, (label.place[0], label.owner))
    return found


def housed(record: ObjectRecord, bucket: str, owner: str) -> ObjectRecord:
    """Return a stray in the bucket that it was in."""
    return replace(record, bucket=bucket, owner=record.owner or owner)
