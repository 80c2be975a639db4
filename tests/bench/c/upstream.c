/* An engine that costs next to nothing: one thread, epoll, HTTP/1.1 with keep-alive.
 *
 *   upstream --host 127.0.0.1 --port 0        (a host that ends in .sock is a Unix-domain socket)
 *
 * It prints the port it listens on. GET /health: 200. POST: the keys of the body decide.
 *   "stream":true          server-sent events in chunked encoding; else 230 bytes of JSON
 *   "bench_chunks":N       so many events, then one with the usage, then [DONE]
 *   "bench_every_us":T     an event every T microseconds, the streams staggered; 0: as fast as can be
 *   "bench_batch":B        events in one write of a stream as fast as can be (1)
 * Each event has its number ("i") and when it was made ("t", nanoseconds of CLOCK_MONOTONIC).
 */
#define _GNU_SOURCE
#include "conn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* ---- reading ---- */

static long number(const char *body, const char *key) {
    const char *at = strstr(body, key);
    return at ? atol(at + strlen(key)) : 0;
}

static void read_wish(struct conn *c, const char *body) {
    c->chunks = number(body, "\"bench_chunks\":");
    c->every = number(body, "\"bench_every_us\":");
    c->batch = number(body, "\"bench_batch\":");
    if (c->chunks < 1) c->chunks = 1;
    if (c->batch < 1) c->batch = 1;
}

static void answer(struct conn *c, const char *body) {
    if (!strncmp(c->in, "GET /health ", 12))
        put_json(c, "200 OK", "{\"status\":\"ok\"}");
    else if (strncmp(c->in, "POST ", 5))
        put_json(c, "404 Not Found", "{\"error\":{\"code\":404,\"message\":\"no such page\"}}");
    else if (strstr(body, "\"stream\":true")) {
        read_wish(c, body);
        begin_stream(c);
        return;
    } else
        put_json(c, "200 OK",
                 "{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion\",\"created\":1,\"model\":\"bench\",\"choices\":[{"
                 "\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"so it goes\"},\"finish_reason\":\"stop\"}],"
                 "\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":3,\"total_tokens\":10}}");
    if (c->closing) listen_for(c);
}

/* Answer what has come in whole; false if it makes no sense. */
static int understand(struct conn *c) {
    char *end;
    while (!c->chunks && (end = memmem(c->in, c->have, "\r\n\r\n", 4))) {
        *end = 0;
        char *length = strcasestr(c->in, "\r\ncontent-length:");
        size_t head = end + 4 - c->in, body = length ? strtoul(length + 17, NULL, 10) : 0;
        c->closing = strcasestr(c->in, "\r\nconnection: close") != NULL;
        if (head + body > ROOM || strcasestr(c->in, "\r\ntransfer-encoding:")) return 0;
        *end = '\r';
        if (c->have < head + body) return 1;
        char next = c->in[head + body];
        c->in[head + body] = 0;
        answer(c, c->in + head);
        c->in[head + body] = next;
        memmove(c->in, c->in + head + body, c->have -= head + body);
    }
    return c->have < ROOM;
}

static void serve(struct conn *c, uint32_t news) {
    if (news & ~EPOLLOUT) {
        ssize_t size = recv(c->fd, c->in + c->have, ROOM - c->have, 0);
        if (size == 0 || (size < 0 && errno != EAGAIN)) return hang_up(c);
        if (size > 0) c->have += size;
        if (!understand(c)) return hang_up(c);
    }
    if (news & EPOLLOUT) go_on(c);
}

/* ---- the door ---- */

static int open_door(const char *host, int port) {
    int unix_socket = strlen(host) > 5 && !strcmp(host + strlen(host) - 5, ".sock"), on = 1;
    struct sockaddr_un path = {.sun_family = AF_UNIX};
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    int door = socket(unix_socket ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(door, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    strncpy(path.sun_path, host, sizeof path.sun_path - 1);
    if (!unix_socket && inet_pton(AF_INET, host, &at.sin_addr) != 1) die(host);
    if (unix_socket) unlink(host);
    struct sockaddr *where = unix_socket ? (struct sockaddr *)&path : (struct sockaddr *)&at;
    socklen_t size = unix_socket ? sizeof path : sizeof at;
    if (bind(door, where, size) || listen(door, 1024)) die("cannot listen");
    if (!unix_socket) getsockname(door, where, &size);
    printf("%d\n", unix_socket ? 0 : ntohs(at.sin_port));
    fflush(stdout);
    return door;
}

static void let_in(int door) {
    int on = 1, fd;
    while ((fd = accept4(door, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct conn *c = calloc(1, sizeof *c);
        if (!c) die("calloc");
        c->fd = fd;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        struct epoll_event wish = {.events = EPOLLIN, .data.ptr = c};
        epoll_ctl(loop, EPOLL_CTL_ADD, fd, &wish);
    }
}

int main(int argc, char **argv) {
    const char *host = "127.0.0.1";
    int port = 0, door;
    for (int n = 1; n + 1 < argc; n += 2) {
        if (!strcmp(argv[n], "--host")) host = argv[n + 1];
        if (!strcmp(argv[n], "--port")) port = atoi(argv[n + 1]);
    }
    loop = epoll_create1(EPOLL_CLOEXEC);
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    door = open_door(host, port);
    struct epoll_event of_door = {.events = EPOLLIN, .data.ptr = &door}, news[256];
    struct epoll_event of_timer = {.events = EPOLLIN, .data.ptr = &timer};
    epoll_ctl(loop, EPOLL_CTL_ADD, door, &of_door);
    epoll_ctl(loop, EPOLL_CTL_ADD, timer, &of_timer);
    for (;;) {
        int count = epoll_wait(loop, news, 256, -1);
        for (int n = 0; n < count; n++) {
            if (news[n].data.ptr == &door)
                let_in(door);
            else if (news[n].data.ptr == &timer)
                go_on_paced();
            else
                serve(news[n].data.ptr, news[n].events);
        }
    }
}
