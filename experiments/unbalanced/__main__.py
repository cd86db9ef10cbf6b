"""`python -m experiments.unbalanced search`, `map` or `show`."""

import sys

COMMANDS = ("search", "map", "show")


def main() -> None:
    """Dispatch to the command named first."""
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in COMMANDS:
        usage = f"usage: python -m experiments.unbalanced {{{','.join(COMMANDS)}}} ... (--help for each)"
        if name in ("-h", "--help"):
            print(usage)
            sys.exit(0)
        sys.exit(_refuse(f"got '{name[:40]}'; {usage}" if name else usage))
    from experiments.unbalanced import command, map_command

    {"search": command.search_main, "map": map_command.map_main, "show": command.show_main}[name](sys.argv[2:])


def _refuse(text: str) -> int:
    print(text, file=sys.stderr)
    return 2


if __name__ == "__main__":
    main()
