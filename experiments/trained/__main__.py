"""`python -m experiments.trained COMMAND`: the commands are listed in `verify.commands`."""

from verify.commands import group

if __name__ == "__main__":
    group("trained")
