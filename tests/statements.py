"""Certificates whose statements were changed."""

import copy
from typing import Any

from verify.checker import check


def tampered(certificate: dict[str, Any], **changes: object) -> str:
    """The checker's verdict after fields of the statement are set, or left out where they are None."""
    document = copy.deepcopy(certificate)
    for name, value in changes.items():
        if value is None:
            del document["statement"][name]
        else:
            document["statement"][name] = value
    return check(document).verdict
