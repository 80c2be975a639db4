"""Every key of the file in words: one text each, for the schema that editors show and for the README's tables."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from swapd.config import schema
from swapd.config.told_models import EDITS, MODEL, RETRY, ROUTES, WAITS, Key

TOP: dict[str, Key] = {
    "models": Key("the models by name"),
    "defaults": Key("any model key, for all models", words=""),
    "include": Key("more files with `models`, e.g. `[models.d/*.yaml]`", examples=(["models.d/*.yaml"],)),
    "macros": Key("names for texts that repeat"),
    "default_model": Key("for clients that name none"),
    "pools": Key(
        "names behind which several models stand: `{coding: {models: [a, b], choose: warm}}`; see below",
    ),
    "listen": Key(
        "one address or a list; `[::1]:9292`, `unix:/run/swapd/swapd.sock`, port 0 picks one; sockets "
        "passed by systemd win; needs a restart",
        "127.0.0.1:9292",
    ),
    "admin": Key(
        "`{key: …}` or `{key_file: …}`: without it, the admin API answers this machine only",
    ),
    "clients": Key(
        "who may use the models, with which keys and how much: see below; without it, whoever can connect",
    ),
    "insecure": Key(
        "allow a `listen` beyond this machine without any key, or with `admin.key` alone, which does not "
        "guard the models (else a warning)",
        False,
    ),
    "cors": Key(
        '`{origins: [https://chat.home.arpa]}`: web pages that may ask from a browser; `"*"` alone: all; '
        "see below",
    ),
    "hosts": Key(
        "names this daemon answers to, e.g. behind a proxy: `[swapd.home.arpa]`; see below",
    ),
    "trusted_proxies": Key(
        "`[10.0.0.1, 192.168.0.0/24, unix]`: who is believed for whom it speaks (`X-Forwarded-For`, `Forwarded`)",
    ),
    "budget": Key(
        "`CUDA0: 22GiB`, `ram: 48GiB`, `reserve: 1GiB`, or counters; see above",
        words="what is measured",
    ),
    "scheduling": Key("who is served when, and who waits; see above"),
    "state_dir": Key(
        "where the ledger is kept, `engines.json`, by which the next daemon finds the engines, "
        "`history.json`, what happened in the last 24 hours, and in `logs/` what engines write; needs a restart",
        words="`$STATE_DIRECTORY`, else `~/.local/state/swapd`",
    ),
    "adoption": Key(
        "how long engines outlive a daemon that died, until its successor finds them; `never`: they are "
        "ended with it; needs a restart",
        "60s",
    ),
    "trace": Key(
        "a file to record requests in, for `swapd simulate`: never their content; needs a restart",
    ),
    "limits": Key(
        "largest request body; largest form with files, which is kept on disk, not in memory; most client"
        " connections",
    ),
    "keepalive_comments": Key(
        "how often a client that waits for its stream gets a comment (`: loading 42%`), so that nothing "
        "between takes its connection for dead; the first makes the status a 200, `X-Swapd-*` follow as comments "
        "before the answer, and what fails later is an SSE `error` event; `never`",
        "10s",
    ),
    "log": Key("`auto`, `text` or `json`; `access`: a line for each request"),
}

SECTIONS: dict[str, dict[str, Key]] = {
    "scheduling": {
        "patience": Key("how long a waiting request may be overtaken before it is served next", "65s"),
        "linger": Key("the longest that an idle engine is kept for a client that usually asks again", "20s"),
        "queue": Key("the most requests that wait, all models together; further ones are refused", 256),
        "wait": Key("the longest that a request waits; `never` for no bound", "10m"),
    },
    "limits": {
        "body": Key("largest request body", "100MiB"),
        "upload": Key("largest form with files", "4GiB"),
        "connections": Key("most client connections", 2048),
    },
    "log": {
        "level": Key("`debug`, `info`, `warning` or `error`", "info"),
        "format": Key("`text`, `json`, or `auto`: as the journal wants it where one listens, else text", "auto"),
        "access": Key("a line for each request", True),
    },
    "admin": {
        "key": Key("the operator's key; best as `${env.SWAPD_ADMIN_KEY}`"),
        "key_file": Key("or a file that holds it, which only swapd's user can read"),
    },
    "clients.NAME": {
        "key": Key("what the client sends as its API key; `swapd key NAME` makes one"),
        "key_file": Key("or a file that holds it, which only swapd's user can read"),
        "credential": Key("or the name of a credential that systemd hands over"),
        "models": Key("patterns of the names and aliases that it may use", "*"),
        "rate": Key("how much it may ask for: `120/min`, or `{requests: 10/s, tokens: 50k/min}`"),
        "concurrency": Key("the most requests of it at once"),
    },
    "clients.NAME.rate": {
        "requests": Key("requests within a sliding window: `10/s`, `120/min`, `50k/hour`, `1M/day`"),
        "tokens": Key("the same for tokens, of prompts and answers"),
    },
    "cors": {
        "origins": Key('web pages that may ask from a browser: `[https://chat.home.arpa]`; `"*"` alone: all')
    },
    "pools.NAME": {
        "models": Key("the names of its models, the first choice first"),
        "choose": Key(
            "`warm`: one that is up; `first`: the first that can be had; `spread`: the most idle", "warm"
        ),
    },
}

SECTIONS |= {"timeouts": WAITS | {"routes": Key("the same for some kinds of requests alone; see `timeouts`")}}
SECTIONS |= {"retry": RETRY, "request": EDITS}

_OF: dict[type[msgspec.Struct], Mapping[str, Key]] = {
    schema.Config: TOP,
    schema.Model: MODEL,
    schema.Defaults: MODEL,
    schema.Timeouts: SECTIONS["timeouts"],
    schema.RouteTimeouts: {name: Key(key.what) for name, key in WAITS.items()},
    schema.Routes: ROUTES,
    schema.Retry: RETRY,
    schema.Edits: EDITS,
    schema.Scheduling: SECTIONS["scheduling"],
    schema.Limits: SECTIONS["limits"],
    schema.Log: SECTIONS["log"],
    schema.Admin: SECTIONS["admin"],
    schema.Client: SECTIONS["clients.NAME"],
    schema.Rate: SECTIONS["clients.NAME.rate"],
    schema.Cors: SECTIONS["cors"],
    schema.Pool: SECTIONS["pools.NAME"],
}


def told(struct: type[msgspec.Struct]) -> Mapping[str, Key]:
    """The keys of a section, each with its words."""
    return _OF[struct]
