/* Reads the answers of the upstream, however a proxy framed them anew, and checks every byte that matters. */
#include <stddef.h>
#include <stdint.h>

enum { HELD = 65536, TEXT = 4096 };

struct answer {
    enum { HEAD, SIZE, DATA, AFTER, TRAILER, WHOLE } state;
    int streamed;  /* events are awaited, else JSON */
    int chunked;   /* else as long as told, or (left < 0) until the peer closes */
    long left;     /* bytes of the body, or of the present chunk */
    char held[HELD]; /* what is not understood yet */
    size_t have;
    char text[TEXT + 1]; /* the JSON, or the event that has begun */
    size_t size;
    long events, chunks; /* events so far, and how many there shall be */
    int usage, done;
};

/* Make ready for the next answer. */
void answer_begin(struct answer *, int streamed, long chunks);

/* Take the bytes that were put into held + have. Returns NULL, or what is wrong with them. */
const char *answer_take(struct answer *, size_t bytes);

/* The peer closed: returns NULL if the answer is whole, else what is wrong. */
const char *answer_closed(struct answer *);

/* To be defined by who uses this: an event came that was sent at that nanosecond. */
void event_came(int64_t sent);
