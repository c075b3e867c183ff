"""The responder of `ceiling` as a program."""

from cybous3.lab.bench.generator.ceiling import main

if __name__ == "__main__":
    main()
