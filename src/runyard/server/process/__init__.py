"""A server as a process of the operating system: its folder, its socket, its workers, its end.

Nothing here knows what the server answers; `app` builds that.
"""

from runyard.server.process.errors import StartError
from runyard.server.process.run import run

__all__ = ["StartError", "run"]
