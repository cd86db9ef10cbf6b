"""`python -m experiments.cifar data`, `train`, `evaluate`, `summary`, `throughput` or `reproduce`."""

import importlib
import sys

COMMANDS = ("data", "train", "evaluate", "summary", "throughput", "reproduce")


def main() -> None:
    """Dispatch to the command named first."""
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    usage = f"usage: python -m experiments.cifar {{{','.join(COMMANDS)}}} ... (--help for each)"
    if name in ("-h", "--help"):
        print(usage)
        sys.exit(0)
    if name not in COMMANDS:
        print(f"got '{name[:40]}'; {usage}" if name else usage, file=sys.stderr)
        sys.exit(2)
    command = importlib.import_module(f"experiments.cifar.{name}_command")
    getattr(command, f"{name}_main")(sys.argv[2:])


if __name__ == "__main__":
    main()
