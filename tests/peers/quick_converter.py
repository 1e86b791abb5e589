"""ExLlamaV2's own converter, but for one thing: it looks for the best mix of bits more coarsely.

Its search takes two minutes for a model of any size, which is nothing beside a 7B's hour. Here it
cools down 45 times as fast; all else is as in exllamav2 0.3.2, `optimize.py`.
"""

import runpy

from exllamav2.ext import exllamav2_ext

COOLING = 0.8
"""Of the temperature at each step; its own is 0.995."""
_search = exllamav2_ext.sim_anneal


def search(slots, budget, hottest, _, coldest, tries, norm):
    """Look for the mix of bits with the smallest error within a budget."""
    return _search(slots, budget, hottest, COOLING, coldest, tries, norm)


if __name__ == "__main__":
    exllamav2_ext.sim_anneal = search
    runpy.run_module("exllamav2.conversion.convert_exl2", run_name="__main__", alter_sys=True)
