"""Shelf: clusters that were just stored and are about to be needed again, laid aside instead of loaded anew.

What lies here is as it is stored: whoever writes to a row of a cluster without the cluster itself takes it off.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from datasyncd.reconcile.cluster import Cluster, ClusterId

MOST = 4_000
"""Clusters at once; of 14 fields each takes about 5 kB. Then the oldest go."""


class Shelf:
    """Clusters by id, the oldest first."""

    def __init__(self) -> None:
        self._lying: dict[ClusterId, Cluster] = {}

    def put(self, clusters: Iterable[Cluster]) -> None:
        """Lay clusters aside, as they are stored now."""
        lying = self._lying
        for cluster in clusters:
            lying.pop(cluster.id, None)
            lying[cluster.id] = cluster
        for number in list(islice(lying, max(0, len(lying) - MOST))):
            del lying[number]

    def take(self, number: ClusterId) -> Cluster | None:
        """The cluster with this id, which lies here no longer; None: it has to be loaded."""
        return self._lying.pop(number, None)

    def saved(self, cluster: Cluster) -> None:
        """A cluster was stored: an older one with its id is of no use."""
        if self._lying.get(cluster.id, cluster) is not cluster:
            del self._lying[cluster.id]

    def drop(self, numbers: Iterable[ClusterId]) -> None:
        """Rows of these clusters were written directly."""
        for number in numbers:
            self._lying.pop(number, None)

    def clear(self) -> None:
        """Rows of any cluster may have been written directly, or what was stored was taken back."""
        self._lying.clear()
