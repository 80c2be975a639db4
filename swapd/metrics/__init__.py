"""The counters: how much of everything, worded for Prometheus.

Counting is our own, and cheap: ``requests`` hears of those that have ended, ``happenings`` is an ear of the desk,
both keep plain ``families`` of numbers, bounded in size. Wording is prometheus_client's, which is imported when
somebody scrapes for the first time: ``scrape`` asks the engines that are up for their own metrics (``pages``,
read by ``foreign``), takes a copy of what was counted and a picture of what is (``now``), and has all of it
``worded`` in a thread. ``table`` says what there is: the README, and the dashboard and the alerts of ``configs/``,
are held against it.
"""
