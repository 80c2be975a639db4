"""The chaos suite: a daemon under a mixed load, every fault that we know of, and what must hold after each.

    python -m tests.chaos --seconds 1800 --seed 7

Begin to read at ``drive``. ``plan`` draws the faults from the seed; ``table`` lists them, ``features`` says
which can be done here, and ``on_engines``, ``on_daemon``, ``on_upgrade``, ``on_disk``, ``on_the_wire`` and
``at_the_door`` do them, each in a ``scene``; ``chores`` are the edits and wishes of an operator. ``crowd`` is
the load, ``wire`` and ``calls`` are its clients, ``verdict`` judges each answer: whatever is no success needs a
fault that explains it. ``invariants`` looks at what must hold, ``procs`` reads /proc for it. ``arena`` is the
daemon and its folder, ``menu`` its config, ``seated`` runs a true engine with the fake one's locks. ``report``
tells of it. ``guard`` ends what a killed driver leaves.
"""
