"""Every operation on every broken dataset, and a judge of it that does not trust lecompose.

`OPERATIONS` says what is called and what it gives, `expected` what must come of it on a broken dataset,
`judge.tried` tries it and says what is wrong.
"""

from attempts.judge import Verdict, tried
from attempts.operations import OPERATIONS, Operation
from attempts.place import Place, made

__all__ = ["OPERATIONS", "Operation", "Place", "Verdict", "made", "tried"]
