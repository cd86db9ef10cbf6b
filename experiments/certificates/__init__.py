"""How well the proofs hold up: random priors, tampered certificates, and a reference that shares no code with either.

`python -m experiments.certificates priors` and `... tampering` repeat the full runs whose results stand beside this
file as JSON.
"""
