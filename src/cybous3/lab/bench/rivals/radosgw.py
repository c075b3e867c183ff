"""Ceph's gateway: not one process over a folder, but the door of a cluster, which this does not build."""

from typing import NoReturn

from cybous3.lab.bench.rivals.port import Place, Program, Rival, Shelf, Unavailable


def _provide(shelf: Shelf) -> NoReturn:
    del shelf
    raise Unavailable(
        "needs a Ceph cluster (monitor, manager, storage daemon and their keys) before it answers",
        hint="measure one that runs with cybs3 performance benchmark --endpoint",
    )


def _launch(program: Program, place: Place) -> NoReturn:
    raise Unavailable(f"{program.command} has no cluster to stand on in {place.folder}")


RIVAL = Rival("radosgw", "Debian radosgw", "of its cluster", _provide, _launch)
