from tests.client.transfer.conftest import bench, keys, other

__all__ = ["bench", "keys", "other"]
