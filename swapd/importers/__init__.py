"""The notary: reads what other tools are configured with, and writes down what cannot be taken along.

Each source has a module that turns it into a ``core.draft.Draft``: ``llama_swap`` (with ``swap_model``,
``swap_keys``, ``swap_macros``, ``swap_routes``, and ``swap_turns`` over ``turns`` and ``matrix``), ``preset``
(``options``), ``command``, ``unit``, ``compose`` (``services``, ``interpolation``, ``run_options``,
``env_files``), ``ollama``. ``recognise`` tells them apart. ``script`` reads what a shell would run: ``words`` and
``expansion`` say what a word stands for, ``functions`` where bodies end, ``shell`` is what is known so far.

All of them end in ``engine``: the words that start a server become a model's keys, by the table in ``flags``,
where that changes nothing; else they stay a command (``container`` for those of docker). ``prefix`` takes off
what stands before them, ``kinds`` knows servers by name, ``naming`` a model's. What leads elsewhere: ``remote``
and ``elsewhere`` (ssh), ``windows``, ``paths``. ``sheet`` is a model while it is put together.

Nothing here opens a file or runs a program: texts come in, drafts go out; what lies beside a file is read by a
function that its ``Source`` has. May import ``core`` and ``tasks``.
"""
