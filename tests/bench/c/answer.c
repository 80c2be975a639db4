#define _GNU_SOURCE
#include "answer.h"

#include <stdlib.h>
#include <string.h>

static char trouble[512];

static const char *wrong(const char *what, const char *shown) {
    strcpy(trouble, what);
    strncat(trouble, ": ", 3);
    strncat(trouble, shown, sizeof trouble - strlen(trouble) - 1);
    return trouble;
}

void answer_begin(struct answer *a, int streamed, long chunks) {
    a->state = HEAD;
    a->streamed = streamed;
    a->chunks = chunks;
    a->size = a->events = a->usage = a->done = 0;
}

static const char *event(struct answer *a, const char *text) {
    const char *sent = strstr(text, "\"t\":"), *number = strstr(text, "\"i\":");
    if (*text == ':') return NULL; /* a sign of life of the proxy */
    if (a->done) return wrong("an event after [DONE]", text);
    if (!strcmp(text, "data: [DONE]")) {
        a->done = 1;
        return a->events == a->chunks && a->usage ? NULL : wrong("the end came early", text);
    }
    if (strstr(text, "\"usage\":")) return a->usage++ ? wrong("usage came twice", text) : NULL;
    if (!sent || !number || atol(number + 4) != a->events) return wrong("not the event awaited", text);
    a->events++;
    event_came(atoll(sent + 4));
    return NULL;
}

/* Bytes of the body. */
static const char *feed(struct answer *a, const char *data, size_t bytes) {
    const char *bad = NULL;
    while (bytes && !bad) {
        size_t part = bytes < TEXT - a->size ? bytes : TEXT - a->size;
        char *end, *at = a->text;
        if (!part) return wrong("the answer is too long", "more than 4 KiB");
        memcpy(a->text + a->size, data, part);
        a->size += part, data += part, bytes -= part;
        a->text[a->size] = 0;
        if (!a->streamed) continue;
        while (!bad && (end = strstr(at, "\n\n"))) {
            *end = 0;
            bad = event(a, at);
            at = end + 2;
        }
        memmove(a->text, at, a->size -= at - a->text);
    }
    return bad;
}

static const char *whole(struct answer *a) {
    a->state = WHOLE;
    if (a->streamed) return a->done && !a->size ? NULL : "the stream ended without [DONE]";
    a->text[a->size] = 0;
    return strstr(a->text, "\"so it goes\"") && a->text[a->size - 1] == '}' ? NULL : wrong("not our JSON", a->text);
}

static const char *head(struct answer *a, char *text) {
    const char *length = strcasestr(text, "\r\ncontent-length:");
    if (strncmp(text, "HTTP/1.1 200", 12)) return wrong("not a 200", text);
    a->chunked = strcasestr(text, "\r\ntransfer-encoding: chunked") != NULL;
    a->left = a->chunked ? 0 : length ? atol(length + 17) : -1;
    a->state = a->chunked ? SIZE : DATA;
    return NULL;
}

/* One step: how many of the bytes at hand are done with; 0 if more are needed. */
static size_t step(struct answer *a, char *at, size_t bytes, const char **bad) {
    char *end = memmem(at, bytes, a->state == HEAD ? "\r\n\r\n" : "\r\n", a->state == HEAD ? 4 : 2);
    if (a->state == DATA) {
        size_t part = a->left >= 0 && (size_t)a->left < bytes ? (size_t)a->left : bytes;
        *bad = feed(a, at, part);
        if (a->left >= 0) a->left -= part;
        if (!a->left && a->chunked) a->state = AFTER;
        if (!a->left && !a->chunked && !*bad) *bad = whole(a);
        return part;
    }
    if (!end) return 0;
    *end = 0;
    if (a->state == HEAD) {
        *bad = head(a, at);
        return end + 4 - at;
    }
    if (a->state == SIZE) {
        a->left = strtol(at, NULL, 16);
        a->state = a->left ? DATA : TRAILER;
    } else if (a->state == AFTER)
        a->state = SIZE;
    else if (end == at)
        *bad = whole(a);
    return end + 2 - at;
}

const char *answer_take(struct answer *a, size_t bytes) {
    const char *bad = NULL;
    size_t done = 0, part = 1;
    a->have += bytes;
    while (!bad && part && done < a->have) {
        if (a->state == WHOLE) return wrong("bytes after the answer", a->held + done);
        part = step(a, a->held + done, a->have - done, &bad);
        done += part;
    }
    memmove(a->held, a->held + done, a->have -= done);
    return bad ? bad : a->have == HELD ? "a head or a line is too long" : NULL;
}

const char *answer_closed(struct answer *a) {
    if (a->state == DATA && a->left < 0) return whole(a);
    return a->state == WHOLE ? NULL : "the peer closed in the midst of an answer";
}
