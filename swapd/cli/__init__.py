"""The porch: one small module a verb. Verbs import what they need when they run, so that ``--help`` is quick."""
