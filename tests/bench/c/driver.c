/* Asks, and measures the answers: one thread, epoll, as many connections as told.
 *
 *   driver --port P [--host H --key K --model M --pid PROXY]
 *          --connections C --warm SECONDS --seconds SECONDS [--chunks N [--every-us T | --batch B]]
 *
 * Without --chunks: JSON after JSON; a time is that from request to whole answer.
 * --chunks N: streams of N events as fast as can be (B in one write), one after the other; a time is that of a
 *   whole stream.
 * --chunks N --every-us T: one stream on each connection; a time is that from the engine's send to our receive.
 * What happens in the window (SECONDS, after SECONDS to get warm) is told as JSON, times in µs, with the seconds of
 * CPU that the process PROXY used in it. Anything wrong in any answer: said on stderr, and exit code 1.
 */
#define _GNU_SOURCE
#include "answer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct conn {
    int fd;
    int64_t asked;
    long answers;
    struct answer answer;
};

static struct {
    const char *host, *key, *model;
    long port, pid, connections, chunks, every, batch;
    double warm, seconds;
} opt = {.host = "127.0.0.1", .key = "", .model = "bench", .connections = 1, .warm = 0.2, .seconds = 1};

static enum { WARM, OPEN, OVER } window;
static int64_t *times, received;
static size_t count, room;
static long answers, events;
static char request[2048];
static int request_size;

static void fail(const char *what) {
    fprintf(stderr, "driver: %s\n", what);
    exit(1);
}

static int64_t read_clock(clockid_t clock) {
    struct timespec t;
    if (clock_gettime(clock, &t)) fail("cannot read a clock");
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int64_t now_ns(void) { return read_clock(CLOCK_MONOTONIC); }

/* CPU time of all threads of the proxy. */
static int64_t proxy_cpu(void) {
    clockid_t clock;
    if (!opt.pid) return 0;
    if (clock_getcpuclockid(opt.pid, &clock)) fail("cannot find the proxy's process");
    return read_clock(clock);
}

static void note(int64_t time) {
    if (count == room && !(times = realloc(times, sizeof *times * (room = room ? 2 * room : 65536)))) fail("no memory");
    times[count++] = time;
}

void event_came(int64_t sent) {
    if (window != OPEN) return;
    events++;
    if (opt.every) note(received - sent);
}

/* ---- the two directions of a connection ---- */

static void ask(struct conn *c) {
    answer_begin(&c->answer, opt.chunks > 0, opt.chunks);
    c->asked = now_ns();
    if (send(c->fd, request, request_size, MSG_NOSIGNAL) != request_size) fail("cannot send a request");
}

static void connect_to_proxy(struct conn *c, int loop) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(opt.port)};
    struct epoll_event wish = {.events = EPOLLIN, .data.ptr = c};
    int on = 1;
    if (inet_pton(AF_INET, opt.host, &at.sin_addr) != 1) fail("--host must be an IPv4 address");
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&at, sizeof at)) fail(strerror(errno));
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    epoll_ctl(loop, EPOLL_CTL_ADD, c->fd, &wish);
}

/* True once the connection has nothing more to do. */
static int is_done(struct conn *c) {
    if (c->answer.state != WHOLE) return 0;
    if (window == OPEN) {
        answers++;
        if (!opt.every) note(received - c->asked);
    }
    c->answers++;
    if (window == OVER) return 1;
    if (opt.every) fail("a paced stream was over before the window: raise --chunks");
    ask(c);
    return 0;
}

static int hear(struct conn *c) {
    struct answer *a = &c->answer;
    ssize_t size = recv(c->fd, a->held + a->have, HELD - a->have, MSG_DONTWAIT);
    if (size < 0 && errno == EAGAIN) return 0;
    received = now_ns();
    const char *bad = size > 0 ? answer_take(a, size) : size ? strerror(errno) : answer_closed(a);
    if (bad) fail(bad);
    if (!size && window != OVER) fail("the proxy does not keep the connection");
    return is_done(c);
}

/* ---- the run ---- */

static void write_request(void) {
    char body[1024], key[256] = "";
    int size = snprintf(body, sizeof body,
                        "{\"model\":\"%s\",\"messages\":[{\"role\":\"system\",\"content\":\"You are terse, and say it.\"},"
                        "{\"role\":\"user\",\"content\":\"And so?\"}],\"temperature\":0.7,\"max_tokens\":64", opt.model);
    if (opt.chunks)
        size += snprintf(body + size, sizeof body - size,
                         ",\"stream\":true,\"stream_options\":{\"include_usage\":true},"
                         "\"bench_chunks\":%ld,\"bench_every_us\":%ld,\"bench_batch\":%ld",
                         opt.chunks, opt.every, opt.batch);
    size += snprintf(body + size, sizeof body - size, "}");
    if (*opt.key) snprintf(key, sizeof key, "Authorization: Bearer %s\r\n", opt.key);
    request_size = snprintf(request, sizeof request,
                            "POST /v1/chat/completions HTTP/1.1\r\nHost: %s:%ld\r\nUser-Agent: bench\r\nAccept: */*\r\n"
                            "%sContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
                            opt.host, opt.port, key, size, body);
}

static int all_run(const struct conn *all) {
    for (long n = 0; opt.every && n < opt.connections; n++)
        if (!all[n].answer.events) return 0;
    return 1;
}

/* Run until every connection is done; how long the window was, and what CPU was used in it, in ns. */
static void run(struct conn *all, int loop, int64_t *length, int64_t *cpu) {
    struct epoll_event news[256];
    int64_t opens = now_ns() + opt.warm * 1e9, opened = 0;
    for (long left = opt.connections; left;) {
        int heard = epoll_wait(loop, news, 256, 10);
        for (int n = 0; n < heard; n++)
            if (hear(news[n].data.ptr)) {
                left--;
                close(((struct conn *)news[n].data.ptr)->fd);
            }
        int64_t now = now_ns();
        if (window == WARM && now >= opens && all_run(all)) {
            *cpu = proxy_cpu();
            opened = now_ns();
            window = OPEN;
        } else if (window == OPEN && now >= opened + opt.seconds * 1e9) {
            *cpu = proxy_cpu() - *cpu;
            *length = now_ns() - opened;
            window = OVER;
        }
    }
}

static int by_size(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static double quantile(double part) { return times[(size_t)(part * (count - 1))] / 1e3; }

static void tell(int64_t length, int64_t cpu) {
    if (!count) fail("nothing happened in the window");
    qsort(times, count, sizeof *times, by_size);
    printf("{\"answers\": %ld, \"events\": %ld, \"seconds\": %.6f, \"cpu\": %.6f, "
           "\"p50\": %.1f, \"p90\": %.1f, \"p99\": %.1f, \"max\": %.1f}\n",
           answers, events, length / 1e9, cpu / 1e9, quantile(0.5), quantile(0.9), quantile(0.99), quantile(1));
}

static void read_options(int argc, char **argv) {
    struct {
        const char *name;
        long *number;
        double *real;
        const char **text;
    } known[] = {{"--port", &opt.port, 0, 0},     {"--pid", &opt.pid, 0, 0},   {"--connections", &opt.connections, 0, 0},
                 {"--chunks", &opt.chunks, 0, 0}, {"--warm", 0, &opt.warm, 0}, {"--every-us", &opt.every, 0, 0},
                 {"--host", 0, 0, &opt.host},     {"--key", 0, 0, &opt.key},   {"--seconds", 0, &opt.seconds, 0},
                 {"--model", 0, 0, &opt.model},  {"--batch", &opt.batch, 0, 0}};
    for (int n = 1; n < argc; n += 2) {
        size_t k = 0;
        while (k < sizeof known / sizeof *known && strcmp(argv[n], known[k].name)) k++;
        if (k == sizeof known / sizeof *known || n + 1 == argc) fail("an option is unknown, or has no value");
        if (known[k].number) *known[k].number = atol(argv[n + 1]);
        if (known[k].real) *known[k].real = atof(argv[n + 1]);
        if (known[k].text) *known[k].text = argv[n + 1];
    }
}

int main(int argc, char **argv) {
    int64_t length = 0, cpu = 0;
    read_options(argc, argv);
    write_request();
    alarm(20 + 2 * (opt.warm + opt.seconds)); /* a proxy that hangs must not hang us */
    int loop = epoll_create1(EPOLL_CLOEXEC);
    struct conn *all = calloc(opt.connections, sizeof *all);
    if (!all) fail("no memory");
    for (long n = 0; n < opt.connections; n++) connect_to_proxy(all + n, loop);
    for (long n = 0; n < opt.connections; n++) ask(all + n);
    run(all, loop, &length, &cpu);
    tell(length, cpu);
    free(all);
    free(times);
    return 0;
}
