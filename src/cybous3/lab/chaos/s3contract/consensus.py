"""Compare-and-exchange on one key without conditions: by multipart uploads, as programs do where there are none.

Whoever wants to change the register begins an upload on its key and sends the new value as a part. Of all uploads under
way on the key the one whose id comes first in the order of text goes on; the others give up. The winner aborts the
uploads of the others and waits until a listing shows none but its own, reads the register again, and completes only if
it still holds the expected value. One that was aborted meanwhile cannot complete.

This is right if uploads are listed as soon as they are begun, and if an aborted one that is no longer listed can never
be completed.
"""

import time
from dataclasses import dataclass
from typing import Final, Literal

from cybous3.lab.chaos.caller import Caller
from cybous3.lab.chaos.s3contract.ground import Ground, must

_POLLS_S_MAX: Final = 5.0
_POLL_S: Final = 0.005

Ending = Literal["won", "lost", "stuck"]


@dataclass(frozen=True, slots=True)
class Contender:
    """One client that wants to write `value` where `expected` is. None: where nothing is."""

    ground: Ground
    caller: Caller
    name: str
    value: bytes
    expected: bytes | None

    def run(self) -> Ending:
        """Try once. "stuck": an aborted upload of another was still listed at the end. Broken for a wrong answer."""
        upload = self.ground.begin_upload(self.name, self.caller)
        answer = self.caller.call(
            "PUT", self.ground.at(self.name), (("partNumber", "1"), ("uploadId", upload)), (), self.value
        )
        if answer.code == "NoSuchUpload":
            return "lost"
        etag = must(answer, "UploadPart").etag
        ending = self._alone(upload)
        if ending == "won" and self._register() != self.expected:
            ending = "lost"
        if ending == "won" and not self._complete(upload, etag):
            return "lost"
        if ending != "won":
            self._abort(upload)
        return ending

    def _alone(self, upload: str) -> Ending:
        """Abort the others if this upload comes first, and wait until they are gone."""
        deadline = time.monotonic() + _POLLS_S_MAX
        while time.monotonic() < deadline:
            there = self.ground.uploads(self.name, self.caller)
            if there == [upload]:
                return "won"
            if upload not in there or min(there) != upload:
                return "lost"
            for other in there:
                if other != upload:
                    self._abort(other)
            time.sleep(_POLL_S)
        return "stuck"

    def _abort(self, upload: str) -> None:
        answer = self.caller.call("DELETE", self.ground.at(self.name), (("uploadId", upload),))
        must(answer, "AbortMultipartUpload", 204, 200, 404)

    def _register(self) -> bytes | None:
        answer = must(self.caller.call("GET", self.ground.at(self.name)), "GET of the register", 200, 404)
        return answer.body if answer.ok else None

    def _complete(self, upload: str, etag: str) -> bool:
        answer = self.ground.complete(self.name, upload, [(1, etag)], self.caller)
        if answer.code == "NoSuchUpload":
            return False
        must(answer, "CompleteMultipartUpload")
        return True
