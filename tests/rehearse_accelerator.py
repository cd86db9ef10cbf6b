"""Every part of the accelerator's study at tiny sizes, on a machine without an accelerator and without python-flint.

`python tests/rehearse_accelerator.py OUT` reports the platform as an accelerator, so that epochs and further draws are
compiled loops, and prints what `reproduce` says of a rehearsal as JSON. Images are random, in CIFAR's layouts.
"""

import json
import sys
from pathlib import Path


def main(out: Path) -> None:
    # as if it were not installed: to import it is an error from here on
    sys.modules["flint"] = None
    from cifar_files import content, write_binary

    from experiments.cifar.reproduce import reproduce
    from experiments.cifar.sharding import Devices
    from experiments.cifar.study import items, rehearsal
    from theory.float64 import jax
    from verify.results import as_json

    jax.default_backend = lambda: "gpu"
    Devices.platform = property(lambda self: "gpu")
    for name, n_train, n_test in (("cifar10", 100, 50), ("cifar100", 400, 100)):
        write_binary(out / "images", name, *content(name, n_train, n_test))
    said = []
    study = reproduce(out / "images", out / "study", minutes=60, wanted=rehearsal(items("gpu")), ended=said.append)
    print(json.dumps(as_json(study) | {"said": said}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
