"""The route table, and the one place that words errors."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from aiohttp import typedefs, web

from swapd.web import errors
from swapd.web.admin import Admin
from swapd.web.auth import DOORKEEPER, Doorkeeper
from swapd.web.bridge import ENDED, FOLLOWS, Relayed, behind, cut_short
from swapd.web.dashboard import Dashboard
from swapd.web.desk import Desk
from swapd.web.ended import Ended
from swapd.web.errors import NOT_FOUND, WRONG_METHOD, Problem
from swapd.web.events import Feed
from swapd.web.gate import Clock, Config, Engines, Gate, History, Upgrade
from swapd.web.guard import Guard
from swapd.web.inference import Inference
from swapd.web.learned import Learned
from swapd.web.limits import BODY_LIMIT, KEYED
from swapd.web.live import Live
from swapd.web.llama_swap import LlamaSwap
from swapd.web.manners import MANNERS, Manners
from swapd.web.metered import Meter, Metered
from swapd.web.models import Models
from swapd.web.ollama.doors import Ollama
from swapd.web.openai import OpenAI
from swapd.web.past import Outlook
from swapd.web.requests_log import Ear, RequestsLog
from swapd.web.router import Router
from swapd.web.session_door import SessionDoor
from swapd.web.status import Scene
from swapd.web.upload import Uploads
from swapd.web.upstream import Upstream

log = logging.getLogger("swapd")
OPENAI: web.AppKey[OpenAI] = web.AppKey("openai")
REQUESTS: web.AppKey[RequestsLog] = web.AppKey("requests")


@dataclass(frozen=True, slots=True)
class Besides:
    """What a house may have besides.

    ``feed``: an ear of the desk; without one nothing is heard at ``/admin/events``. ``ears`` hear of the requests
    that have ended. ``metrics``: whoever counts, for ``/metrics``. ``ended``: the sessions that are over.
    """

    feed: Feed | None = None
    upgrade: Upgrade | None = None
    ears: tuple[Ear, ...] = ()
    metrics: Meter | None = None
    history: History | None = None
    ended: Ended | None = None


ALONE = Besides()


def create_app(
    gate: Gate,
    config: Config,
    engines: Engines,
    upstream: Upstream,
    clock: Clock,
    besides: Besides = ALONE,
) -> web.Application:
    """All doors."""
    heard = besides.feed or Feed(clock)
    app, guard = _bare(config, clock, besides.ears)
    app[DOORKEEPER] = Doorkeeper(clock, besides.ended or Ended())
    told = app[REQUESTS]
    inference = Inference(gate, config, engines, upstream, guard)
    app[OPENAI] = OpenAI(inference)
    learned = Learned(upstream)
    scene = Scene(gate, config, engines, besides.history, besides.upgrade)
    live = Live(scene, heard, clock)
    for room in (
        app[OPENAI],
        Uploads(inference),
        Router(gate, config, upstream, learned, heard.moves, guard),
        Models(gate, config, learned, guard),
        Admin(gate, config, engines, clock, heard, besides.upgrade),
        Outlook(scene, live, clock, told.tell),
        Ollama(inference, gate, learned, clock),
        Desk(gate, config, app[OPENAI]),
        LlamaSwap(gate, config, guard),
        SessionDoor(config),
        Dashboard(),
        Metered(besides.metrics, config, upstream, told.tell),
    ):
        app.add_routes(room.routes())

    async def end_streams(_: web.Application) -> None:
        heard.close()
        live.close()

    app.on_shutdown.append(end_streams)
    return app


def _bare(config: Config, clock: Clock, ears: tuple[Ear, ...]) -> tuple[web.Application, Guard]:
    """What every door has. Body limits are our own (they change with the config), so aiohttp's is off."""
    manners = Manners(lambda: config.settings)
    told = RequestsLog(lambda: config.settings, manners, ears)
    app = web.Application(middlewares=[told.watch, _word_errors, manners.admit], client_max_size=0)
    app.on_response_prepare.append(manners.decorate)
    app[MANNERS], app[REQUESTS] = manners, told
    app[BODY_LIMIT] = lambda: config.settings.limits.body
    guard = Guard(lambda: config.settings, lambda: config.catalog)
    app[KEYED] = guard.of
    return app, guard


@web.middleware
async def _word_errors(request: web.Request, handler: typedefs.Handler) -> web.StreamResponse:
    dialect = errors.dialect_of(request.path)
    try:
        return await handler(request)
    except Problem as problem:
        return errors.respond(problem, dialect)
    except web.HTTPNotFound:
        why = "'/v1' stands there twice" if "/v1/v1/" in request.path else "the model APIs are under /v1"
        text = f"cannot find {request.path}: swapd has no such path; {why}"
        return errors.respond(Problem(NOT_FOUND, text), dialect)
    except web.HTTPMethodNotAllowed as error:
        allowed = ", ".join(sorted(error.allowed_methods))
        text = f"cannot {request.method} {request.path}: use {allowed}"
        return errors.respond(Problem(WRONG_METHOD, text, headers={"Allow": allowed}), dialect)
    except web.HTTPException:
        raise
    except asyncio.CancelledError:
        if ENDED not in request or (request.writer.output_size and FOLLOWS not in request):
            raise
        return cut_short(request)
    except Exception:
        if request.writer.output_size:
            raise  # the head is out: aiohttp breaks the connection, as it must
        log.exception("cannot answer %s %s", request.method, request.path)
        client = behind(request)
        if client is not None and client.begun:
            client.fail(errors.bug())
            return Relayed(client)
        return errors.respond(errors.bug(), dialect)
