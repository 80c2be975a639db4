"""The meters: what the machine has and what a model file says. Readings in, facts out; decides nothing.

May import ``core`` and ``tasks``.
"""
