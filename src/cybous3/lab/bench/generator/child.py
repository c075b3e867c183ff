"""One process of a load generator that has several: takes orders on standard input, answers with recordings.

Orders and answers are pickles between this program and itself. Standard input that ends is the order to end; SIGTERM
ends the block under way, and nothing else.
"""

import pickle
import signal
import sys

from cybous3.lab.bench.generator.crew import Alone, Orders


def main() -> None:
    """Serve until there are no more orders."""
    told, answers = sys.stdin.buffer, sys.stdout.buffer
    orders: Orders = pickle.load(told)  # noqa: S301  # our own parent's words
    crew = Alone(orders)
    signal.signal(signal.SIGTERM, lambda _signal, _frame: crew.stop())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        while True:
            try:
                name, *arguments = pickle.load(told)  # noqa: S301  # likewise
            except EOFError:
                return
            done = crew.setup() if name == "setup" else crew.run(*arguments)
            pickle.dump(done[0], answers)
            answers.flush()
    finally:
        crew.close()


if __name__ == "__main__":
    main()
