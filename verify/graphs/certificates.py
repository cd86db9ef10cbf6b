"""The certificates of `verify.augmentation`."""
