"""Where a worker process begins; nothing is here but the order of two imports."""

import sys

from cybous3.server.app.lean import import_structlog

if __name__ == "__main__":
    import_structlog()
    from cybous3.server.app.worker import main

    sys.exit(main())
