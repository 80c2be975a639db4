"""The face of llama.cpp's router (``llama-server`` without a model), which Open WebUI, Zed and editors speak.

``GET /models`` is the list of ``models``; here one loads and unloads, hears of it, and asks an engine what it is.
Shapes and words were taken down from b10434: clients read them.
"""

from __future__ import annotations

from typing import Any

import msgspec
from aiohttp import web

from swapd import __version__
from swapd.core.engine import RESTING, RunId, State
from swapd.core.events import LoadWished, UnloadWished
from swapd.core.refusal import Exit, Reason, Refusal, Refused
from swapd.core.settings import ClientKey
from swapd.core.spec import Pool
from swapd.core.view import ModelView, View
from swapd.web import asked
from swapd.web.asked import Peek
from swapd.web.bridge import FOLLOWS
from swapd.web.entries import LOADED, LOADING, UNLOADED, entry, names, progress, status, value
from swapd.web.errors import BAD_REQUEST, FIRST_BYTE_LATE, MODEL_REQUIRED, Problem, of_refusal
from swapd.web.events import Moves
from swapd.web.gate import Config, Gate
from swapd.web.guard import Guard
from swapd.web.headers import STREAM
from swapd.web.learned import BOUNDS, Learned
from swapd.web.limits import expect, off_loop, read_body
from swapd.web.manners import MANNERS
from swapd.web.models import find, listed
from swapd.web.pool_entries import BEST, pool_entry, theirs
from swapd.web.upstream import EngineBroke, FirstByteLate, Upstream, get

QUIET = 15.0
"""Seconds of silence after which a comment shows that the line is alive."""
STEP = 1.0
"""Seconds between words on how far a load has come."""
STAGE = "text_model"
"""The stage of llama.cpp's that a load of ours is told as: by its time, not by its parts."""


class Router:
    """The handlers."""

    def __init__(
        self, gate: Gate, config: Config, upstream: Upstream, learned: Learned, moves: Moves, guard: Guard
    ) -> None:
        self._guard = guard
        self._gate = gate
        self._config = config
        self._upstream = upstream
        self._learned = learned
        self._moves = moves

    def routes(self) -> list[web.RouteDef]:
        """The route table of this module."""
        both = ("/v1", "")
        return [
            *(web.post(f"{at}/models/load", self.load, expect_handler=expect) for at in both),
            *(web.post(f"{at}/models/unload", self.unload, expect_handler=expect) for at in both),
            *(web.get(f"{at}/models/sse", self.sse, allow_head=False) for at in both),
            *(web.get(f"{at}/props", self.props, allow_head=False) for at in both),
        ]

    async def load(self, request: web.Request) -> web.Response:
        """Bring the model up, whatever failed before. Answers at once; lists and ``/models/sse`` tell the rest."""
        model = await self._named(request)
        name, view = model.spec.name, self._gate.view()
        if view.closing:
            raise of_refusal(Refusal(Reason.CLOSING, name))
        if value(model) != UNLOADED and not _leaves(model):
            raise Problem(BAD_REQUEST, "model is already running", param="model")
        if (why := view.never_fits(name)) is not None:
            raise of_refusal(Refusal(Reason.NEVER_FITS, name, detail=why))
        if (refusal := await self._gate.missing(name)) is not None:
            raise of_refusal(refusal)
        self._gate.post(LoadWished(name))
        return web.json_response({"success": True})

    async def unload(self, request: web.Request) -> web.Response:
        """Let the model go once its leases have ended. Answers at once."""
        model = await self._named(request)
        living = model.engine is not None and model.engine.state not in RESTING
        if not living and value(model) == UNLOADED:
            raise Problem(BAD_REQUEST, "model is not running", param="model")
        self._gate.post(UnloadWished(model.spec.name))
        return web.json_response({"success": True})

    async def props(self, request: web.Request) -> web.Response:
        """What the engine of ``?model=`` says of itself, loaded for it unless ``?autoload=false``.

        Where none is named, nothing is loaded: ``default_model`` or else the only one that is ready answers, if it
        is up; else we do, as a router.
        """
        who = self._guard.of(request)
        if not request.query.get("model"):
            meant = self._meant(who)
            return await self._asked(meant) if meant is not None else web.json_response(_own())
        name = asked.name_of(Peek(), request.query, self._config.catalog)
        self._guard.check(who, name)
        model = find(self._gate, self._config, name)
        if model.engine is not None and value(model) == LOADED:
            return await self._asked(model.engine.run)
        if (request.query.get("autoload") or "true") not in ("true", "1"):
            raise Problem(BAD_REQUEST, "model is not loaded", param="model")
        try:
            with self._guard.counted(who):
                async with self._gate.lease(model.spec.name, request.app[MANNERS].of(request).sender) as lease:
                    return await self._asked(lease.run)
        except Refused as refused:
            raise of_refusal(refused.refusal) from None

    async def sse(self, request: web.Request) -> web.StreamResponse:
        """What becomes of the models, from now on, until the daemon goes.

        Each reader compares what is with what it was told, when it has taken that: so a slow one misses what came
        and went in between, and costs no memory.
        """
        who = self._guard.of(request)
        response = web.StreamResponse(headers=STREAM)
        told = {model.spec.name: _stand(model) for model in listed(self._gate, who)}
        told |= {pool.name: _stand_of(pool, self._gate.view()) for pool in theirs(self._config.catalog, who)}
        seen = self._moves.count
        await response.prepare(request)
        await response.write(b": swapd models\n\n")
        request[FOLLOWS] = response
        while not self._moves.over:
            loads = any(value(model) == LOADING for model in listed(self._gate, who))
            await self._moves.after(seen, STEP if loads else QUIET)
            seen = self._moves.count
            try:
                who = self._guard.of(request)
            except Problem:
                break  # its key opens nothing any more
            await response.write(await self._news(told, who) or b": nothing new\n\n")
        return response

    async def _news(self, told: dict[str, dict[str, Any]], who: ClientKey | None) -> bytes:
        """The events since ``told``, which is brought up to date."""
        events, before, view = [], dict(told), self._gate.view()
        models = listed(self._gate, who)
        told.clear()
        for model in models:
            name = model.spec.name
            now = told[name] = _stand(model)
            if (far := progress(view, name)) is not None:
                now["progress"] = {"stages": [STAGE], "current": STAGE, "value": round(far, 3)}
            if now != before.get(name, now):
                events += await self._events(model, now, before[name]["status"], who)
        for pool in theirs(self._config.catalog, who):
            now = told[pool.name] = _stand_of(pool, view)
            if now != (was := before.get(pool.name, now)):
                events.append(_event(pool.name, now, was["status"], pool_entry(pool, view, self._learned)))
        if told.keys() != before.keys():
            events.append({"model": "*", "event": "models_reload"})
        return b"".join(b"data: " + msgspec.json.encode(event) + b"\n\n" for event in events)

    async def _events(
        self, model: ModelView, now: dict[str, Any], before: str, who: ClientKey | None
    ) -> list[dict[str, Any]]:
        """One for each name that lists show."""
        learned = await self._learned.when_asked(model)
        return [_event(name, now, before, entry(name, model, learned, who)) for name in names(model, who)]

    async def _named(self, request: web.Request) -> ModelView:
        """The model that the body names: nothing is loaded or unloaded by default. Raises Problem (400, 404)."""
        who = self._guard.of(request)
        body = await read_body(request, self._config.settings.limits.body)
        found = await off_loop(asked.peek, body)
        if not found.model:
            raise Problem(MODEL_REQUIRED, "model name is missing from the request", param="model")
        name = asked.name_of(found, {}, self._config.catalog)
        self._guard.check(who, name)
        return find(self._gate, self._config, name)

    def _meant(self, who: ClientKey | None) -> RunId | None:
        """The engine that is up, for the client, and meant by a question that names no model."""
        default = self._config.catalog.default_model
        found = self._config.catalog.resolve(default) if default else None
        engines = [m.engine for m in listed(self._gate, who) if m.engine is not None]
        ready = [engine.run for engine in engines if engine.state is State.READY]
        chosen = [run for run in ready if found is not None and run.model == found[0].name]
        return next(iter(chosen), ready[0] if len(ready) == 1 else None)

    async def _asked(self, run: RunId) -> web.Response:
        """The engine's own page, to the byte."""
        try:
            code, text = await self._upstream.page(run, get("/props"), BOUNDS)
        except FirstByteLate as late:
            raise Problem(FIRST_BYTE_LATE, f"cannot get an answer for model '{run.model}': {late}") from None
        except EngineBroke as broke:
            refusal = Refusal(Reason.ENGINE_DIED, run.model, Exit(reason=str(broke)), detail="died")
            raise of_refusal(refusal) from None
        notes = {"X-Swapd-Model": run.model, "X-Swapd-Run": str(run.n)}
        return web.Response(body=text, status=code, content_type="application/json", headers=notes)


def _stand(model: ModelView) -> dict[str, Any]:
    """As events tell it: one that ended has an exit code, 0 if all went well."""
    found = status(model)
    word = found.pop("value")
    return {"status": word} | ({"exit_code": 0} | found if word == UNLOADED else {})


def _stand_of(pool: Pool, view: View) -> dict[str, Any]:
    """That of the best of its models."""
    found = [_stand(view.models[name]) for name in pool.models if name in view.models]
    return min(found, key=lambda each: BEST.index(each["status"]), default={"status": UNLOADED, "exit_code": 0})


def _event(name: str, now: dict[str, Any], before: str, shown: dict[str, Any]) -> dict[str, Any]:
    """The first of a load is called otherwise, as there; one that is loaded is ``shown``."""
    kind = "model_status" if now["status"] == LOADING != before else "status_change"
    info = {"info": shown} if now["status"] == LOADED else {}
    return {"model": name, "event": kind, "data": now | info}


def _leaves(model: ModelView) -> bool:
    return model.engine is not None and model.engine.state is State.DRAINING


def _own() -> dict[str, Any]:
    """What a router says of itself: by ``role`` clients know that there are models to choose from."""
    return {
        "role": "router",
        "max_instances": 0,  # no fixed number
        "models_autoload": True,
        "model_alias": "swapd",
        "model_path": "none",
        "default_generation_settings": {"params": None, "n_ctx": 0},
        "build_info": f"swapd {__version__}",
    }
