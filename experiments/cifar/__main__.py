"""`python -m experiments.cifar COMMAND`: the commands are listed in `verify.commands`."""

from verify.commands import group

if __name__ == "__main__":
    group("cifar")
