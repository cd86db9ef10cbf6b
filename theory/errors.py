"""The one exception for input that cannot be accepted."""


class InputError(ValueError):
    """Bad input from a user, said in one line: what was given, and what is accepted.

    `option` names the parameter without dashes ("rho", "k"); commands print it as "--rho".
    """

    def __init__(self, option: str, given: object, accepted: str) -> None:
        self.option = option
        shown = str(given)
        if len(shown) > 80:
            shown = shown[:77] + "..."
        self.reason = f"got '{shown}'; {accepted}"
        super().__init__(f"{option}: {self.reason}")
