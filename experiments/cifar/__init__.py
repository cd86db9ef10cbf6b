"""Networks trained on CIFAR-10, CIFAR-100 and a generated set, against the computed optima."""
