"""swapd: one GPU box, many models, one URL.

A daemon that reads a YAML of model names, keeps one engine process (usually ``llama-server``) per model,
and fronts them with an OpenAI-compatible proxy that starts, stops and swaps engines on demand.

The one idea: facts come in at the doors, one quiet room decides, the hands act, and nobody waits while
holding the pen. In asyncio, code between two awaits cannot be interrupted; so all deciding is synchronous
and pure, there are no locks, and every decision can be tested and replayed without a process.

The floor plan::

    web/        front hall    HTTP in, HTTP out. Asks the desk for a lease, relays bytes, words the errors
    dispatch.py the desk      post(event) -> perform(commands), lease(model), one timer
    core/       the study     pure: Scheduler.handle(event, now) -> commands. No clock, no I/O, no asyncio; and
                              the table of engine kinds, which config, engines and web read alike
    engines/    engine room   processes, probes, ports and sockets, logs: what starts, signals or watches them
    machine/    meters        what the machine has, what a model will take, what it took: scales and ledger
    lab/        the lab       the same study under a virtual clock: traces, rival policies, bounds, advice
    config/     library       YAML -> Catalog + Settings, or every problem at once; watches for edits, and
                              reads anew only what they touch
    journal.py  the diary     hears (event, commands) and prints each decision once
    history/    the annals    what was up when, what was swapped and why, who waited: kept for hours
    metrics/    the counters  how much of everything, worded for Prometheus, the engines' own numbers among it
    scan/       the scout     finds model files, in folders and in the caches of others, and what they are
    importers/  the notary    reads what other tools are configured with, and says what cannot be taken along
    loadtest/   the stopwatch asks any OpenAI-compatible server, and tells how long it took
    cli/        porch         one small module a verb; rich tables; a client of its own for the admin doors
    rooms.py    the architect builds every room and introduces them
    daemon.py   the host      opens the doors, then only waits; sees to an end in good order
    reload.py   the successor the config in force, and the one way it changes while the house is lived in
    upgrade.py  the mover     the daemon executes itself anew; handover.py: what it takes along; standin.py: who
                              serves meanwhile
    tasks.py    the one create_task: named, referenced, a crash is reported
    threads.py  blocking calls that may hang, and keep nobody

Who may import whom (a test enforces it): ``core`` imports only the standard library. All other rooms import
``core``, ``tasks`` and ``threads``, never each other; what they need sideways comes in as an argument typed by a
small ``Protocol`` beside its user. ``rooms`` and ``daemon`` are the only wiring (``doors``, ``address``,
``systemd``, ``manager``, ``metering``, ``reload``, ``upgrade``, ``standin``, ``handover`` and ``lasting`` are
their tools); ``cli`` may wire rooms together for offline verbs (``check``, ``scan``, ``import``, ``demo``,
``simulate``). Each room's ``__init__`` is its card: where to begin to read, and which module does what.
"""

__version__ = "0.1.0"
