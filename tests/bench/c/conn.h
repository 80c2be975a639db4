/* A connection of the upstream, and what can be sent on it. */
#include <stddef.h>
#include <stdint.h>

enum { ROOM = 65536 }; /* bytes of a request */

struct conn {
    int fd, closing;
    char in[ROOM + 1];
    size_t have;
    char *out; /* what the socket would not take yet */
    size_t waiting, room;
    long sent, chunks, every, batch; /* of the stream it sends; chunks is 0 while there is none */
    int64_t due;
    struct conn *before, *after; /* the paced streams, by due */
};

extern int loop, timer; /* the epoll, and the timerfd of the paced streams */

void die(const char *what);

/* Wait for what the connection needs next; shut it down if it has said its last. */
void listen_for(struct conn *);
void hang_up(struct conn *);
void put_json(struct conn *, const char *status, const char *body);

/* Begin a stream of c->chunks events: one every c->every µs, or (0) as fast as can be, c->batch in each write. */
void begin_stream(struct conn *);

/* The socket takes bytes again. */
void go_on(struct conn *);

/* The timer rang. */
void go_on_paced(void);
