"""The machine that takes the same steps on the model and on a real S3, and holds every answer against the other.

What it draws from is small on purpose: few buckets, keys and bodies, so that steps meet. ETags are drawn from those the
model knows, current and past ones, so that conditions hold about as often as not.
"""

from collections.abc import Callable
from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from cybous3.lab.chaos.model.outcome import ALWAYS, S3, Condition, Metadata, Outcome, Place, md5, observe
from cybous3.lab.chaos.model.reference import PART_BYTES_MIN, Reference

Step = Callable[[S3], Outcome]

BUCKETS = ["one", "two"]
KEYS = ["a", "a/b", "a/c/d", "b", "ü/日", "z z+%"]


class Body(bytes):
    """Bytes that a failing example shows in one line."""

    def __repr__(self) -> str:
        return f"{bytes(self[:10])!r}..({len(self)})" if len(self) > 20 else repr(bytes(self))


BODIES = [Body(b""), Body(b"x"), Body(b"some bytes"), Body(b"0123456789" * 500), Body(b"L" * 70_000)]
LONG = Body(bytes(range(256)) * (PART_BYTES_MIN // 256))

places = st.builds(Place, st.sampled_from(BUCKETS), st.sampled_from(KEYS))
DONE = 200

bodies = st.sampled_from(BODIES)
metadata: st.SearchStrategy[Metadata] = st.sampled_from([(), (("color", "blue"),), (("a", "1"), ("color", "red"))])
rarely = st.sampled_from([False, False, False, False, False, True])
spans = st.sampled_from([None, "bytes=0-0", "bytes=2-5", "bytes=3-", "bytes=-4", "bytes=9-99999", "bytes=70000-", "x"])


class Machine(RuleBasedStateMachine):
    """Model and real ones side by side. A subclass says which real ones, and what else can happen to them."""

    handles_max: ClassVar = 6

    def __init__(self) -> None:
        super().__init__()
        self.model = Reference()
        self.real = self.open()
        self.etags = [md5(b"never written")]
        self.handles: list[str] = []

    def open(self) -> dict[str, S3]:
        """Return the real ones by name; they are empty."""
        raise NotImplementedError

    def step(self, step: Step) -> Outcome:
        """Take a step everywhere; every answer is the model's."""
        expected = step(self.model)
        for name, real in self.real.items():
            found = step(real)
            assert found == expected, f"{name} answers {found}, the model {expected}"
        if expected.etag and expected.etag not in self.etags:
            self.etags.append(expected.etag)
        return expected

    def settle(self, step: Step, answered: Outcome | None) -> str:
        """Find out whether a step that was broken off has happened, and go on from there.

        What is seen must be all of the state with it or all of the state without it.
        """
        after = self.model.copied()
        expected = step(after)
        assert answered in {None, expected}
        seen = [observe(real, self.handles) for real in self.real.values()]
        happened = seen == [observe(after, self.handles)]
        assert happened or (answered is None and seen == [observe(self.model, self.handles)])
        if happened:
            self.model = after
        return "answered" if answered is not None else "happened" if happened else "did not happen"

    def pick(self, data: st.DataObject, place: Place) -> str:
        """Draw an ETag: the one that is there, or any that ever was.

        What is drawn from may depend on what happened to a broken-off step; what is drawn may not: a number.
        """
        there = self.model.buckets.get(place.bucket, {}).get(place.key)
        known = [*([there.etag] * 4 if there else []), *self.etags[-6:]]
        return known[data.draw(st.integers(0, 59), "etag") % len(known)]

    def condition(self, data: st.DataObject, place: Place) -> Condition:
        """Draw a condition for a write."""
        kind = data.draw(st.sampled_from(["none", "none", "match", "absent"]), "condition")
        if kind == "match":
            return Condition(self.pick(data, place))
        return Condition(absent=True) if kind == "absent" else ALWAYS

    @initialize(keys=st.lists(st.sampled_from(KEYS), min_size=2, max_size=4, unique=True))
    def begin(self, keys: list[str]) -> None:
        """Begin with two buckets and a few objects: on nothing, most steps are refused for the same reason."""
        for bucket in BUCKETS:
            self.step(lambda s3, bucket=bucket: s3.create_bucket(bucket))  # type: ignore[misc]  # mypy cannot infer a lambda whose default argument binds the loop
        for key in keys:
            self.put_plainly(Place("one", key), BODIES[2], ())

    @rule(bucket=st.sampled_from(BUCKETS), again=st.integers(0, 3))
    def delete_bucket(self, bucket: str, again: int) -> None:
        """Delete a bucket that is empty; mostly make it again."""
        self.step(lambda s3: s3.delete_bucket(bucket))
        if bucket not in self.model.buckets and again:
            self.step(lambda s3: s3.create_bucket(bucket))

    @rule(place=places, body=bodies, said=metadata)
    def put_plainly(self, place: Place, body: bytes, said: Metadata) -> None:
        self.step(lambda s3: s3.put(place, body, said, ALWAYS))

    @rule(place=places, body=bodies, said=metadata)
    def put_and_look(self, place: Place, body: bytes, said: Metadata) -> None:
        self.put_plainly(place, body, said)
        self.step(lambda s3: s3.get(place, None, None, None))

    @precondition(lambda self: len(self.handles) < self.handles_max)
    @rule(place=places, said=metadata, long=rarely, body=bodies)
    def upload_whole(self, place: Place, said: Metadata, long: bool, body: bytes) -> None:
        """Upload in one or two parts, as clients do."""
        handle, parts = f"u{len(self.handles)}", [(1, LONG), (2, body)] if long else [(1, body)]
        if self.step(lambda s3: s3.create_upload(handle, place, said)).status != DONE:
            return
        self.handles.append(handle)
        for number, content in parts:
            self.step(lambda s3, n=number, content=content: s3.put_part(handle, n, content))  # type: ignore[misc]  # as above
        self.step(lambda s3: s3.complete(handle, [(number, md5(content)) for number, content in parts], ALWAYS))
        self.step(lambda s3: s3.get(place, "bytes=-9", None, None))

    @rule(place=places, body=bodies, said=metadata, data=st.data())
    def put(self, place: Place, body: bytes, said: Metadata, data: st.DataObject) -> None:
        condition = self.condition(data, place)
        self.step(lambda s3: s3.put(place, body, said, condition))

    @rule(place=places, span=spans, data=st.data())
    def get(self, place: Place, span: str | None, data: st.DataObject) -> None:
        kind = data.draw(st.sampled_from(["", "", "match", "none match"]), "condition")
        etag = self.pick(data, place)
        match, none_match = (etag if kind == "match" else None), (etag if kind == "none match" else None)
        self.step(lambda s3: s3.get(place, span, match, none_match))
        self.step(lambda s3: s3.head(place))

    @rule(place=places, data=st.data())
    def delete(self, place: Place, data: st.DataObject) -> None:
        match = self.condition(data, place).match
        self.step(lambda s3: s3.delete(place, match))

    @rule(bucket=st.sampled_from(BUCKETS), keys=st.lists(st.sampled_from(KEYS), min_size=1, unique=True))
    def delete_many(self, bucket: str, keys: list[str]) -> None:
        self.step(lambda s3: s3.delete_many(bucket, keys))

    @rule(source=places, place=places, said=st.none() | metadata, onto_itself=st.booleans(), data=st.data())
    def copy(self, source: Place, place: Place, said: Metadata | None, onto_itself: bool, data: st.DataObject) -> None:
        target = source if onto_itself else place
        condition = self.condition(data, target)
        source_match = self.pick(data, source) if data.draw(st.integers(0, 3), "source condition") == 0 else None
        self.step(lambda s3: s3.copy(source, target, said, condition, source_match))

    @rule(
        bucket=st.sampled_from(BUCKETS),
        prefix=st.sampled_from(["", "a", "a/", "ü", "q"]),
        delimiter=st.sampled_from(["", "/"]),
        after=st.sampled_from(["", "a", "a/b", "b"]),
        limit=st.integers(1, 4),
    )
    def list(self, bucket: str, prefix: str, delimiter: str, after: str, limit: int) -> None:
        self.step(lambda s3: s3.list(bucket, prefix, delimiter, after, limit))

    # uploads

    @precondition(lambda self: len(self.handles) < self.handles_max)
    @rule(place=places, said=metadata)
    def create_upload(self, place: Place, said: Metadata) -> None:
        handle = f"u{len(self.handles)}"
        if self.step(lambda s3: s3.create_upload(handle, place, said)).status == DONE:
            self.handles.append(handle)

    def handle(self, data: st.DataObject) -> str:
        return data.draw(st.sampled_from(self.handles), "upload")

    @precondition(lambda self: self.handles)
    @rule(number=st.integers(1, 3), body=bodies, long=rarely, data=st.data())
    def put_part(self, number: int, body: bytes, long: bool, data: st.DataObject) -> None:
        handle = self.handle(data)
        content = LONG if long and number == 1 else body
        self.step(lambda s3: s3.put_part(handle, number, content))

    @precondition(lambda self: self.handles)
    @rule(number=st.integers(1, 3), source=places, span=st.sampled_from([None, (0, 0), (1, 8)]), data=st.data())
    def copy_part(self, number: int, source: Place, span: tuple[int, int] | None, data: st.DataObject) -> None:
        handle = self.handle(data)
        there = self.model.buckets.get(source.bucket, {}).get(source.key)
        if there is not None and span is None and not there.body:
            return  # a range of nothing cannot be told from a whole that is empty
        self.step(lambda s3: s3.copy_part(handle, number, source, span))

    @precondition(lambda self: self.handles)
    @rule(data=st.data())
    def complete(self, data: st.DataObject) -> None:
        handle = self.handle(data)
        upload = self.model.uploads.get(handle)
        there = [(number, md5(body)) for number, body in sorted(upload.parts.items())] if upload else []
        wanted = data.draw(
            st.sampled_from([there, there, there, there[:1], there[::-1], [(1, md5(b"x"))], []]), "parts"
        )
        condition = self.condition(data, self.model.places[handle])
        self.step(lambda s3: s3.complete(handle, wanted, condition))

    @precondition(lambda self: self.handles)
    @rule(data=st.data())
    def abort(self, data: st.DataObject) -> None:
        handle = self.handle(data)
        self.step(lambda s3: s3.abort(handle))

    @precondition(lambda self: self.handles)
    @rule(prefix=st.sampled_from(["", "a", "q"]), data=st.data())
    def list_uploads(self, prefix: str, data: st.DataObject) -> None:
        handle = self.handle(data)
        self.step(lambda s3: s3.list_parts(handle))
        bucket = self.model.places[handle].bucket
        self.step(lambda s3: s3.list_uploads(bucket, prefix))

    def teardown(self) -> None:
        """Everything that can be seen is what the model has; then it is removed."""
        expected = observe(self.model, self.handles)
        for name, real in self.real.items():
            assert observe(real, self.handles) == expected, name
            remove(real)


def remove(s3: S3) -> None:
    """Remove everything, as a person would."""
    for _, bucket, *_ in s3.list_buckets().pages[0]:
        keys = [item[1] for page in s3.list(bucket, "", "", "", 1000).pages for item in page]
        for key in keys:
            s3.delete(Place(bucket, key), None)
        s3.delete_bucket(bucket)
