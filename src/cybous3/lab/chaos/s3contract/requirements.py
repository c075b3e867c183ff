"""The twenty things that a program which trusts an object store with its only copy needs of it.

After the list that Elasticsearch keeps for the stores it can snapshot to (`docs/internal/object-store-requirements.md`
in its repository), in our words and with our numbers. `original` says how far its own analyser tests each.
"""

from typing import Final, Literal, NamedTuple

Original = Literal["tested", "partly", "not tested"]


class Requirement(NamedTuple):
    """One requirement. `title` is short; `text` says what must hold."""

    id: str
    title: str
    text: str
    original: Original


REQUIREMENTS: Final = (
    Requirement("R1", "status codes", "what is missing is 404, a condition that fails 409 or 412", "partly"),
    Requirement("R2", "no silent corruption", "what is read is what was written, until it is overwritten", "tested"),
    Requirement("R3", "durable writes", "what was acknowledged is there after the server went down", "not tested"),
    Requirement("R4", "lost connectivity", "a broken connection fails a request and never makes it lie", "not tested"),
    Requirement("R5", "signatures", "SigV4 is really checked", "partly"),
    Requirement("R6", "reading", "whole streams with length and ETag, resumed with If-Match", "tested"),
    Requirement("R7", "HEAD", "existence is answered without a body", "not tested"),
    Requirement("R8", "byte ranges", "any bytes=a-b gives exactly these bytes", "tested"),
    Requirement("R9", "PUT", "creates or replaces at once, with conditions and the usual headers", "tested"),
    Requirement("R10", "multipart", "parts in any order, joined or forgotten as a whole", "tested"),
    Requirement("R11", "read after write", "every connection sees a write as soon as it is acknowledged", "tested"),
    Requirement("R12", "atomic overwrite", "a reader gets all of the old or all of the new", "tested"),
    Requirement("R13", "failed writes", "a write that failed or was aborted leaves nothing visible", "tested"),
    Requirement("R14", "whole or not at all", "an object under way is invisible", "tested"),
    Requirement("R15", "copies", "CopyObject on the server", "tested"),
    Requirement("R16", "copies into parts", "UploadPartCopy, for what one copy cannot take", "partly"),
    Requirement("R17", "complete listings", "a listing shows every acknowledged write", "partly"),
    Requirement("R18", "paged listings", "prefix, delimiter and tokens, beyond 1,000 keys", "not tested"),
    Requirement("R19", "bulk delete", "a thousand keys at once, missing ones ignored", "partly"),
    Requirement("R20", "compare and exchange", "one winner on one key, by conditions or by multipart", "tested"),
)
BY_ID: Final = {requirement.id: requirement for requirement in REQUIREMENTS}
