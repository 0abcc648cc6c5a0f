"""The fault campaign: thousands of random worlds, hosts and troubles, each judged by what the world saw.

`python -m tests.campaign --runs 10000 --seed 1` shows whether anything is charged twice or lost.
"""
