"""The runner: claims jobs, runs each in a forked child of a warm parent, keeps its lease, and settles it.

`runner` has the lanes and their slots, `attempt` one job from claim to settlement, `workshop` the asyncio side of the
warm parent, `zygote` the warm parent itself (a single-threaded process of its own), `child` what happens after the
fork, `orphans` what to do about runners that died.
"""
