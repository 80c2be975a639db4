"""The page below a path that a proxy takes off, beside another swapd of the same host."""

from __future__ import annotations

import asyncio
from collections import namedtuple
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import hdrs, web
from aiohttp.test_utils import TestServer
from playwright.async_api import expect

from tests.bench import tools
from tests.bench.proxies import free_port
from tests.processes import Running, until
from tests.ui.places import SECTIONS, go, state, two

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]
OF_ONE_WAY = {hdrs.CONNECTION, hdrs.TRANSFER_ENCODING, hdrs.CONTENT_LENGTH, hdrs.KEEP_ALIVE}
README = Path(__file__).parents[2] / "README.md"
NGINX = """daemon off; worker_processes 1; pid %(folder)s/nginx.pid;
events {}
http {
  access_log off;
  client_body_temp_path %(folder)s/body; proxy_temp_path %(folder)s/proxy; fastcgi_temp_path %(folder)s/fastcgi;
  uwsgi_temp_path %(folder)s/uwsgi; scgi_temp_path %(folder)s/scgi;
  server { listen 127.0.0.1:%(port)s; absolute_redirect off; %(block)s }
}
"""
KEYED = 'admin: {key: "open-sesame"}'
Place = namedtuple("Place", "url")
"""Where a proxy has a daemon."""
Fronted = Callable[[dict[str, Running]], Awaitable[str]]


@pytest_asyncio.fixture(loop_scope="session")
async def fronted() -> AsyncIterator[Fronted]:
    """``await fronted({"/swapd": daemon})``: the URL of a proxy that has each daemon below its path.

    As nginx with ``location /swapd/ { proxy_pass http://daemon/; }`` does it, with the Host of the browser and
    ``X-Forwarded-For``; all else is nobody's.
    """
    session = aiohttp.ClientSession(auto_decompress=False)
    servers = []

    async def build(places: dict[str, Running]) -> str:
        async def passed(request: web.Request) -> web.StreamResponse:
            for path, daemon in places.items():
                if request.raw_path.startswith(f"{path}/"):
                    return await _passed(session, request, daemon.url + request.raw_path.removeprefix(path))
            raise web.HTTPNotFound

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", passed)
        servers.append(TestServer(app))
        await servers[-1].start_server(shutdown_timeout=0.2)
        return str(servers[-1].make_url("")).rstrip("/")

    yield build
    for server in servers:
        await server.close()
    await session.close()


async def _passed(session: aiohttp.ClientSession, request: web.Request, url: str) -> web.StreamResponse:
    """Piece by piece, as it comes."""
    headers = [(name, value) for name, value in request.headers.items() if name not in OF_ONE_WAY]
    headers.append(("X-Forwarded-For", request.remote or ""))
    asked = session.request(
        request.method, url, headers=headers, data=await request.read(), allow_redirects=False, timeout=None
    )
    async with asked as answer:
        passed = [(name, value) for name, value in answer.headers.items() if name not in OF_ONE_WAY]
        response = web.StreamResponse(status=answer.status, headers=aiohttp.typedefs.CIMultiDict(passed))
        await response.prepare(request)
        async for piece in answer.content.iter_any():
            await response.write(piece)
        return response


async def enter(page):
    await page.get_by_label("Key", exact=True).fill("open-sesame")
    await page.keyboard.press("Enter")
    await expect(state(page, "alpha")).to_have_text("cold")


async def test_the_page_works_below_a_path_that_a_proxy_takes_off(start, fronted, show):
    daemon = start(two("--words", "5", top=KEYED))
    url = await fronted({"/home/swapd": daemon})
    page = await show(Place(f"{url}/home/swapd"), forgiven=("401",))
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    for at in ("/home/swapd/ui/#logs", "/home/swapd/", "/home/swapd/ui"):
        await page.goto(url + at)
        await expect(page).to_have_url(f"{url}/home/swapd/ui{'#logs' if at.endswith('#logs') else ''}")
        await expect(page.get_by_label("Key", exact=True)).to_be_visible()
    await enter(page)
    (cookie,) = await page.context.cookies(f"{url}/home/swapd/admin/live")
    assert (cookie["path"], cookie["httpOnly"], cookie["sameSite"]) == ("/home/swapd/", True, "Strict")
    assert await page.context.cookies(f"{url}/home/") == []
    await page.get_by_role("button", name="Load alpha").click()
    await expect(state(page, "alpha")).to_have_text("ready")
    for section in SECTIONS:
        await go(page, section)
        await expect(page.locator(f"#t-{section}")).to_have_count(1)
    await page.get_by_label("Message").fill("go")
    await page.keyboard.press("Enter")
    await expect(page.locator(".talk")).to_contain_text("alpha 1 2 3")
    await go(page, "logs")
    await expect(page.get_by_role("log", name="Log")).to_contain_text("alpha#1")
    assert [each for each in asked if not each.startswith(f"{url}/home/swapd/")] == []


async def test_two_daemons_of_one_host_do_not_disturb_each_other(start, fronted, show):
    one, other = start(two(top=KEYED)), start(two(top=KEYED.replace("sesame", "barley")))
    url = await fronted({"/one": one, "": other})
    first = await show(Place(f"{url}/one"), forgiven=("401",))
    await enter(first)
    second = await first.context.new_page()
    await second.goto(f"{url}/ui")
    await second.get_by_label("Key", exact=True).fill("open-barley")
    await second.keyboard.press("Enter")
    await expect(state(second, "alpha")).to_have_text("cold")
    await first.reload()
    await first.get_by_role("button", name="Load alpha").click()
    await expect(state(first, "alpha")).to_have_text("ready")
    copied = await first.context.cookies(f"{url}/one/admin/status")
    await first.get_by_role("button", name="Log out").click()
    await expect(first.get_by_label("Key", exact=True)).to_be_visible()
    await second.get_by_role("button", name="Load beta").click()
    await expect(state(second, "beta")).to_have_text("ready")
    headers = {"Cookie": "; ".join(f"{each['name']}={each['value']}" for each in copied)}
    async with aiohttp.ClientSession(headers=headers) as session:
        assert (await session.get(f"{url}/one/admin/status")).status == 401  # by a copy neither
        assert (await session.get(f"{url}/admin/status")).status == 200


@pytest_asyncio.fixture(loop_scope="session")
async def nginx(tmp_path: Path) -> AsyncIterator[Callable[[Running], Awaitable[str]]]:
    """``await nginx(daemon)``: the URL of a real one, with the README's own ``location``."""
    try:
        program = await asyncio.to_thread(tools.nginx)
    except tools.Missing as missing:
        pytest.skip(str(missing))
    running = []

    async def begin(daemon: Running) -> str:
        port = free_port()
        block = README.read_text().partition("```nginx\n")[2].partition("```")[0]
        block = block.replace("http://127.0.0.1:9292/", f"{daemon.url}/")
        (tmp_path / "nginx.conf").write_text(NGINX % {"folder": tmp_path, "port": port, "block": block})
        words = ("-p", str(tmp_path), "-e", str(tmp_path / "error.log"), "-c", str(tmp_path / "nginx.conf"))
        running.append(await asyncio.create_subprocess_exec(program, *words))
        await until(lambda: is_open(port))
        return f"http://127.0.0.1:{port}"

    yield begin
    for process in running:
        process.terminate()
        await process.wait()


async def is_open(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


async def test_nginx_as_the_readme_has_it_serves_the_page_below_a_path(start, nginx, show):
    daemon = start(two("--words", "5", top=KEYED + "\ntrusted_proxies: [127.0.0.1]"))
    url = await nginx(daemon)
    page = await show(Place(f"{url}/swapd"), forgiven=("401",))
    await enter(page)
    await page.goto(f"{url}/swapd/ui/")
    await expect(page).to_have_url(f"{url}/swapd/ui")
    await page.goto(f"{url}/swapd")
    await expect(page).to_have_url(f"{url}/swapd/ui")
    await page.get_by_role("button", name="Load alpha").click()
    await expect(state(page, "alpha")).to_have_text("ready")
    await go(page, "playground")
    await page.get_by_label("Message").fill("go")
    await page.keyboard.press("Enter")
    await expect(page.locator(".talk")).to_contain_text("alpha 1 2 3")
