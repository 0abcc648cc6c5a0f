"""The fault campaign: thousands of random worlds, hosts and troubles, each judged by what the world saw.

Most runs are played in memory and on virtual time, by real clients that call the tools of real servers: `draw`,
`themes` and `troubles` draw a `scenario`; `play` plays it with `worlds`, `wire`, `servers`, `processes`, `hosts` and
`incidents`; `judge`, `answers`, `spends` and `requests` judge its `facts` and import nothing of the program. `faults`
puts faults back into the program, to show that they are found. Other modules play runs with real processes.

`python -m tests.campaign --runs 10000 --seed 1` shows whether anything is charged twice or lost.
"""
