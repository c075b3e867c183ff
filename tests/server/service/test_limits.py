"""Sizes, decided before a byte is asked for."""

import pytest

from cybous3.server.service.limits import check_size
from cybous3.server.store.spec import SIZE_MAX
from cybous3.server.wire.errors import S3Error
from cybous3.server.wire.route import OPERATIONS_BY_NAME

PUT, DELETE, GET = (OPERATIONS_BY_NAME[name] for name in ("PutObject", "DeleteObjects", "GetObject"))


def test_what_fits_passes() -> None:
    check_size(PUT, 0)
    check_size(PUT, SIZE_MAX)
    check_size(DELETE, DELETE.body_max)
    check_size(DELETE, None)  # counted while it is read
    check_size(GET, 10)  # nobody will read it
    check_size(GET, None)


@pytest.mark.parametrize(
    ("operation", "length", "code"),
    [
        (PUT, None, "MissingContentLength"),
        (PUT, SIZE_MAX + 1, "EntityTooLarge"),
        (DELETE, DELETE.body_max + 1, "MaxMessageLengthExceeded"),
    ],
)
def test_what_does_not_fit_is_refused(operation: object, length: int | None, code: str) -> None:
    with pytest.raises(S3Error) as error:
        check_size(operation, length)  # type: ignore[arg-type]  # the table's rows
    assert error.value.code == code
