/* What the upstream sends: JSON, and streams, paced by one timer or as fast as the peer takes them. */
#define _GNU_SOURCE
#include "conn.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { TURN = 64 }; /* events of a fast stream before others have their turn */

int loop, timer;
static struct conn *first, *last;
static int holding; /* more is to come for this write */
static const char STREAM_HEAD[] = "HTTP/1.1 200 OK\r\nServer: bench\r\nContent-Type: text/event-stream\r\n"
                                  "Cache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n";

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void die(const char *what) {
    perror(what);
    exit(1);
}

/* ---- the paced streams: a list sorted by due, and one timer for its head ---- */

static void unlink_stream(struct conn *c) {
    *(c->before ? &c->before->after : &first) = c->after;
    *(c->after ? &c->after->before : &last) = c->before;
    c->before = c->after = NULL;
}

static void insert_stream(struct conn *c) {
    struct conn *place = last; /* all have about the same pace: the place is near the end */
    while (place && place->due > c->due) place = place->before;
    c->before = place;
    c->after = place ? place->after : first;
    *(c->after ? &c->after->before : &last) = c;
    *(place ? &place->after : &first) = c;
}

static void set_timer(void) {
    struct itimerspec at = {0};
    if (first) {
        at.it_value.tv_sec = first->due / 1000000000;
        at.it_value.tv_nsec = first->due % 1000000000;
    }
    timerfd_settime(timer, TFD_TIMER_ABSTIME, &at, NULL);
}

/* ---- writing ---- */

void listen_for(struct conn *c) {
    int fast = c->chunks && !c->every;
    struct epoll_event wish = {.events = EPOLLIN | (c->waiting || fast ? EPOLLOUT : 0), .data.ptr = c};
    epoll_ctl(loop, EPOLL_CTL_MOD, c->fd, &wish);
    if (c->closing && !c->chunks && !c->waiting) shutdown(c->fd, SHUT_WR);
}

void hang_up(struct conn *c) {
    if (c->chunks && c->every) unlink_stream(c), set_timer();
    close(c->fd);
    free(c->out);
    free(c);
}

static void keep(struct conn *c, const char *data, size_t size) {
    if (c->waiting + size > c->room && !(c->out = realloc(c->out, c->room = 2 * (c->waiting + size)))) die("realloc");
    memcpy(c->out + c->waiting, data, size);
    c->waiting += size;
}

/* Send what waits. What the peer no longer wants is found out at the next read. */
static void flush(struct conn *c) {
    ssize_t taken = c->waiting ? send(c->fd, c->out, c->waiting, MSG_NOSIGNAL) : 0;
    if (taken > 0) memmove(c->out, c->out + taken, c->waiting -= taken);
}

static void put(struct conn *c, const char *data, size_t size) {
    ssize_t taken = c->waiting || holding ? 0 : send(c->fd, data, size, MSG_NOSIGNAL);
    if (taken < 0) taken = 0;
    if ((size_t)taken == size) return;
    keep(c, data + taken, size - taken);
    if (!holding) listen_for(c);
}

static void put_chunk(struct conn *c, const char *format, ...) {
    char text[512], chunk[600];
    va_list args;
    va_start(args, format);
    int size = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    put(c, chunk, sprintf(chunk, "%x\r\n%s\r\n", size, text));
}

void put_json(struct conn *c, const char *status, const char *body) {
    char answer[1024];
    put(c, answer,
        sprintf(answer, "HTTP/1.1 %s\r\nServer: bench\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                status, strlen(body), body));
}

static void put_event(struct conn *c) {
    put_chunk(c,
              "data: {\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"model\":\"bench\","
              "\"choices\":[{\"index\":0,\"delta\":{\"content\":\" so\"},\"finish_reason\":null}],"
              "\"i\":%ld,\"t\":%lld}\n\n",
              c->sent++, (long long)now_ns());
}

static void end_stream(struct conn *c) {
    put_chunk(c,
              "data: {\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"model\":\"bench\",\"choices\":[],"
              "\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":%ld,\"total_tokens\":%ld}}\n\n",
              c->chunks, c->chunks + 7);
    put_chunk(c, "data: [DONE]\n\n");
    put(c, "0\r\n\r\n", 5);
    c->chunks = 0;
    listen_for(c);
}

static void go_on_fast(struct conn *c) {
    for (int turn = 0; turn < TURN && c->sent < c->chunks && !c->waiting; turn += c->batch) {
        holding = c->batch > 1;
        for (long n = 0; n < c->batch && c->sent < c->chunks; n++) put_event(c);
        holding = 0;
        flush(c);
    }
    if (c->sent == c->chunks && !c->waiting) end_stream(c);
}

void go_on(struct conn *c) {
    if (c->waiting) {
        flush(c);
        if (!c->waiting) listen_for(c);
    } else if (c->chunks && !c->every)
        go_on_fast(c);
}

void go_on_paced(void) {
    uint64_t rings;
    if (read(timer, &rings, sizeof rings) < 0 && errno != EAGAIN) die("timer");
    while (first && first->due <= now_ns()) {
        struct conn *c = first;
        unlink_stream(c);
        put_event(c);
        c->due += c->every * 1000;
        if (c->sent < c->chunks)
            insert_stream(c);
        else
            end_stream(c);
    }
    set_timer();
}

void begin_stream(struct conn *c) {
    static uint32_t phase;
    c->sent = 0;
    put(c, STREAM_HEAD, sizeof STREAM_HEAD - 1);
    if (!c->every) {
        listen_for(c);
        return;
    }
    phase += 2654435769u; /* steps of the golden ratio: evenly spread, however many there are */
    c->due = now_ns() + (int64_t)((double)phase / UINT32_MAX * c->every * 1000);
    insert_stream(c);
    set_timer();
}
