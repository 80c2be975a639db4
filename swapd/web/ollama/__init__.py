"""Ollama's API, all of it translated: engines are asked in OpenAI's words.

``doors`` reads what was sent; ``words`` asks (``messages`` and ``options`` are parts of it), ``answers`` and
``vectors`` answer; ``lists`` says what there is.
"""
