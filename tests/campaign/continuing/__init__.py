"""The fault campaign over continuing: clips of 64 pixels become films, whatever befalls frame, upload, create and join.

Runs are played on virtual time by `Continuations` itself, in processes that are killed in every step; `draw` draws a
`scenario`, `play` plays it with `machine` and `links`, `judge` judges what the stand-in saw and what lies on the disk.
`real` plays runs whose processes are programs that are killed.
"""
