"""The country, made up but true in its proportions: the demo, the tests and the benchmarks draw from it.

`simulate` draws a country from a seed, `exports` writes what each of its systems would export before and after
1 July 2025, through the declarations that the readers read, and `truth` says who is who. Nobody in it is real.
"""

from adapters.simulator.asking import corrections, same_named_hamlets
from adapters.simulator.country import Country, Phase, simulate
from adapters.simulator.disputes import Submission, disputes, unfinished
from adapters.simulator.exports import ExportFile, Truth, exports, truth
from adapters.simulator.rates import HEAVY, RATES, Fault, Rates

__all__ = [
    "HEAVY",
    "RATES",
    "Country",
    "ExportFile",
    "Fault",
    "Phase",
    "Rates",
    "Submission",
    "Truth",
    "corrections",
    "disputes",
    "exports",
    "same_named_hamlets",
    "simulate",
    "truth",
    "unfinished",
]
