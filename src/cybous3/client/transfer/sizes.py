"""What the size of a stored object tells about its plaintext, before anything is opened.

A listing shows stored bytes. The header's length depends on the sealed metadata, in steps of 64 bytes, so a stored size
fits many plaintext sizes: enough to see that a file must have changed, never enough to know that it did not.
"""

from cybous3.crypto.floe import FLOE_HEADER_LEN, OVERHEAD, segment_count
from cybous3.crypto.layout import FOOTER_LEN, HEADER_TAG_LEN, IMMUTABLE_LEN, SEG_LOG2_DEFAULT
from cybous3.crypto.metadata import PAD_MULTIPLE
from cybous3.crypto.primitives import NONCE_LEN, TAG_LEN

_AROUND = IMMUTABLE_LEN + NONCE_LEN + TAG_LEN + HEADER_TAG_LEN + FLOE_HEADER_LEN + FOOTER_LEN
_HEADER_MAX = 0xFFFF


def may_hold(stored_size: int, plaintext_len: int) -> bool:
    """Whether an object of `stored_size` bytes can hold `plaintext_len` bytes; False is certain, True is not."""
    metadata = stored_size - _AROUND - plaintext_len - OVERHEAD * segment_count(plaintext_len, 1 << SEG_LOG2_DEFAULT)
    return 0 < metadata <= _HEADER_MAX and metadata % PAD_MULTIPLE == 0


def about(stored_size: int) -> int:
    """Return roughly how many plaintext bytes an object holds; for totals and progress."""
    small = stored_size - _AROUND - OVERHEAD - 3 * PAD_MULTIPLE
    return max(0, small - OVERHEAD * (small >> SEG_LOG2_DEFAULT))
