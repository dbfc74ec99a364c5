"""The registration family of clause 7.3.3: build, parse, validate.

What is built has the schema's spelling; what is parsed may have the tolerated ones. Keys that no
schema has come from `msgin5g.gaps`.
"""

from msgin5g._build import (
    breg,
    breg_answer,
    bulk_dereg,
    bulk_dereg_answer,
    dereg,
    dereg_answer,
    deregresp,
    gwreg,
    gwreg_answer,
    interim,
    reg,
    reg_answer,
    regresp,
)
from msgin5g._parse import Answer, Request, parse_answer, parse_request

__all__ = [
    "Answer",
    "Request",
    "breg",
    "breg_answer",
    "bulk_dereg",
    "bulk_dereg_answer",
    "dereg",
    "dereg_answer",
    "deregresp",
    "gwreg",
    "gwreg_answer",
    "interim",
    "parse_answer",
    "parse_request",
    "reg",
    "reg_answer",
    "regresp",
]
