"""The command `doctor`: checks a set-up, one line for each thing that can be wrong with it. It spends nothing."""
