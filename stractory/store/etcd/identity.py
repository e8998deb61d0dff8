"""Whether what answers is the etcd that has answered before, with all that it had then. Pure.

Each etcd has an id, and each of its revisions is above those before. Where an endpoint leads to another one,
or a back-up was put back while registries ran, epochs would be given twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stractory.errors import StoreUnreachable


class Identity:
    """Of the etcd that has answered first. ``revision``: the highest that it has told."""

    def __init__(self) -> None:
        self.revision = 0
        self._cluster = ""

    def check(self, endpoint: str, header: Mapping[str, Any], since: int) -> None:
        """What was asked when the revision was ``since`` has this header. Raises StoreUnreachable."""
        cluster = str(header.get("cluster_id", ""))
        if cluster and cluster != self._cluster:
            if self._cluster:
                raise StoreUnreachable(
                    f"{endpoint} belongs to another etcd than the endpoints that answered before: "
                    "set etcd-endpoints to the members of one, and start the registry anew"
                )
            self._cluster = cluster
        revision = int(header.get("revision", 0))
        if revision < since:
            raise StoreUnreachable(
                f"etcd at {endpoint} has forgotten what it knew (revision {revision} after {since}): "
                "if a back-up was put back, start all registries anew"
            )
        self.revision = max(self.revision, revision)
