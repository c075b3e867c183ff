"""Why an aws-chunked body was refused."""

from cybous3.core.sigv4.errors import SignatureError


class ChunkError(SignatureError):
    """A body that is not what its request announced. `code` and `detail` as SignatureError has them."""
