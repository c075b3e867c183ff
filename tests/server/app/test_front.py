"""What is counted on its way to the metrics: commits and syncs of a store, by mode."""

from pathlib import Path
from typing import Any

import pytest

from cybous3.server.admin.metrics import Metrics
from cybous3.server.app.front import Counting
from cybous3.server.edge.server import EdgeServer
from cybous3.server.store.store import Store
from cybous3.server.workers.syncer import Syncer
from tests.support.house_of_data import BIG, House, put


class _Edge:
    """The two attributes of an edge that are looked at."""

    stats: Any = None
    on_change: Any = None


def test_commits_and_syncs_of_each_mode_are_timed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    house = House(tmp_path / "data")
    house.fill("before")
    metrics = Metrics("1")
    counting = Counting(metrics)
    monkeypatch.setattr(Counting, "soon", lambda _: None)
    edge: Any = _Edge()

    async def work(store: Store) -> None:
        watched: EdgeServer = edge
        index: Any = store.index
        counting.watch(watched, store.commits, index)
        await put(store, "strict", BIG)
        await index.buckets.set_durability("bucket", "relaxed")
        await put(store, "relaxed", BIG)
        await Syncer(index.unsynced, store._blobs, store.commits).run_once()

    house.run(work)
    text = metrics.render().decode()
    for line in (
        'swifts3_index_commit_duration_seconds_count{synced="no"} 1.0',
        'swifts3_blob_sync_duration_seconds_count{durability="strict"} 1.0',
        'swifts3_blob_sync_duration_seconds_count{durability="relaxed"} 1.0',
    ):
        assert line in text
    assert 'swifts3_index_commit_duration_seconds_count{synced="yes"} 0.0' not in text
