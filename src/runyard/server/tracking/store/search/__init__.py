"""Finding runs: the sort keys of a page, whatever the filter and the order; loading is somebody else's."""

from runyard.server.tracking.store.search.finder import RunFinder, RunQuery
from runyard.server.tracking.store.search.order import order_of

__all__ = ["RunFinder", "RunQuery", "order_of"]
