/* A farm and its pools in one process: the load of `make bench`, cheaper than what it measures.
 *
 * farm HASHES_PER_DIFFICULTY NAME:EXTRANONCE2_SIZE:DIFFICULTY ... starts a pool for each NAME (one hex digit, the
 * first of its block hashes), prints their ports, and obeys one command a line on standard input, each answered by a line of JSON:
 *
 *   connect PORT COUNT       COUNT miners at once, each from an address of its own; answers when all have work
 *   flood SECONDS            each miner submits its next share when the last one is answered
 *   rate PER_SECOND SECONDS  so many shares a second in all, evenly spaced, whatever is answered
 *   block NAMES / job NAMES  these pools have a new block (or only a new job); answers when all their miners have it
 *   kill NAME / revive NAME  the pool drops its connections and its port; answers when its miners work elsewhere
 *   leave                    all miners go
 *   lines NAME               how many connections the pool has
 *   books                    what pools and miners counted since the start
 *
 * Miners search for their shares with real hashes, pools rebuild and hash the header of each share.
 * Build: cc -O3 -march=native -o farm farm.c
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { MAX_LINE = 16384, MAX_POOLS = 8, JOBS = 64, MAX_SAMPLES = 4000000, FIRST_SHARE_ID = 10, OPEN_SHARES = 64 };
#define MASK 0x1fffe000u
#define FIRST_ADDRESS 0x7f010001u /* 127.1.0.1 */
#define TIMEOUT_NS 60000000000LL

/* A coinbase and branches as long as a busy network's. */
#define COINB1 "01000000010000000000000000000000000000000000000000000000000000000000000000ffffffff30" \
    "030303030303030303030303030303030303030303030303"
#define COINB2 "ffffffff02" "11111111111111111111111111111111111111111111111111111111111111111111" \
    "22222222222222222222222222222222222222222222222222222222222222222222222222222222222222222222222222222222" "00000000"
#define BRANCH "abababababababababababababababababababababababababababababababab"
enum { BRANCHES = 12, FIRST_NTIME = 0x68000000 };

/* --- SHA-256 ------------------------------------------------------------------------------------------------------ */

static const uint32_t K[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98,
    0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
    0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8,
    0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
    0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819,
    0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
    0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
    0xc67178f2};
static const uint32_t START[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                  0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

static inline uint32_t turned(uint32_t x, int n) { return x >> n | x << (32 - n); }

static void compress(uint32_t state[8], const uint32_t block[16]) {
    uint32_t w[64], s[8];
    memcpy(w, block, 64);
    memcpy(s, state, 32);
    for (int i = 16; i < 64; i++)
        w[i] = w[i - 16] + w[i - 7] + (turned(w[i - 15], 7) ^ turned(w[i - 15], 18) ^ w[i - 15] >> 3) +
               (turned(w[i - 2], 17) ^ turned(w[i - 2], 19) ^ w[i - 2] >> 10);
    for (int i = 0; i < 64; i++) {
        uint32_t a = s[0], e = s[4];
        uint32_t t1 = s[7] + (turned(e, 6) ^ turned(e, 11) ^ turned(e, 25)) + ((e & s[5]) ^ (~e & s[6])) + K[i] + w[i];
        uint32_t t2 = (turned(a, 2) ^ turned(a, 13) ^ turned(a, 22)) + ((a & s[1]) ^ (a & s[2]) ^ (s[1] & s[2]));
        memmove(s + 1, s, 28);
        s[4] += t1;
        s[0] = t1 + t2;
    }
    for (int i = 0; i < 8; i++) state[i] += s[i];
}

static uint32_t word(const uint8_t *p) { return (uint32_t)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3]; }
static void bytes_of(uint32_t value, uint8_t *p) { value = htonl(value), memcpy(p, &value, 4); }

static void sha256(const uint8_t *data, size_t size, uint8_t out[32]) {
    uint32_t state[8], block[16];
    uint8_t tail[128] = {0};
    size_t whole = size / 64 * 64, rest = size - whole, padded = rest < 56 ? 64 : 128;
    memcpy(state, START, 32);
    memcpy(tail, data + whole, rest);
    tail[rest] = 0x80;
    bytes_of((uint32_t)size * 8, tail + padded - 4);
    for (size_t at = 0; at < whole + padded; at += 64) {
        const uint8_t *from = at < whole ? data + at : tail + at - whole;
        for (int i = 0; i < 16; i++) block[i] = word(from + 4 * i);
        compress(state, block);
    }
    for (int i = 0; i < 8; i++) bytes_of(state[i], out + 4 * i);
}

static void sha256d(const uint8_t *data, size_t size, uint8_t out[32]) {
    uint8_t once[32];
    sha256(data, size, once);
    sha256(once, 32, out);
}

/* --- Shares ------------------------------------------------------------------------------------------------------- */

/* What all shares of a job with one extranonce2 have in common: the state after the header's first 64 bytes. */
typedef struct {
    char key[160];
    uint32_t middle[8], root_end, ntime, nbits;
} Work;

static int hex_digit(char c) { return c <= '9' ? c - '0' : (c | 32) - 'a' + 10; }

static size_t unhex(const char *text, size_t length, uint8_t *out) {
    for (size_t i = 0; i < length / 2; i++) out[i] = hex_digit(text[2 * i]) << 4 | hex_digit(text[2 * i + 1]);
    return length / 2;
}

/* Hash coinbase, branches and the first half of the header. */
static void begin(Work *work, const char *coinbase, char *const *branches, int count, const char *prevhash,
                  uint32_t version, uint32_t ntime, uint32_t nbits) {
    static uint8_t raw[MAX_LINE];
    uint8_t pair[64], previous[32];
    uint32_t block[16];
    sha256d(raw, unhex(coinbase, strlen(coinbase), raw), pair);
    for (int i = 0; i < count; i++) {
        unhex(branches[i], 64, pair + 32);
        sha256d(pair, 64, pair);
    }
    unhex(prevhash, 64, previous); /* each word turned round in the JSON, and again in the header */
    block[0] = __builtin_bswap32(version);
    for (int i = 0; i < 8; i++) block[1 + i] = __builtin_bswap32(word(previous + 4 * i));
    for (int i = 0; i < 7; i++) block[9 + i] = word(pair + 4 * i);
    memcpy(work->middle, START, 32);
    compress(work->middle, block);
    work->root_end = word(pair + 28);
    work->ntime = ntime;
    work->nbits = nbits;
}

/* The upper 64 bits of the header's hash as a number. */
static uint64_t hashed(const Work *work, uint32_t nonce) {
    uint32_t state[8], again[8],
        block[16] = {work->root_end, __builtin_bswap32(work->ntime), __builtin_bswap32(work->nbits),
                     __builtin_bswap32(nonce), 0x80000000, [15] = 640};
    memcpy(state, work->middle, 32);
    compress(state, block);
    uint32_t second[16] = {[8] = 0x80000000, [15] = 256};
    memcpy(second, state, 32);
    memcpy(again, START, 32);
    compress(again, second);
    return (uint64_t)__builtin_bswap32(again[7]) << 32 | __builtin_bswap32(again[6]);
}

static double hashes_per_difficulty;

static uint64_t target(double difficulty) {
    double value = 65535.0 * 281474976710656.0 / (difficulty * hashes_per_difficulty);
    return value >= 18446744073709549568.0 ? UINT64_MAX : (uint64_t)value - 1;
}

/* --- Connections -------------------------------------------------------------------------------------------------- */

typedef enum { LISTENS, POOL_SIDE, DIALS, MINER, COMMANDS, METRONOME } Kind;

typedef struct Pool {
    char name;
    int port, extranonce2_size, serial, height, jobs;
    struct Conn *listener, **sides;
    int count, room;
    char prevhash[JOBS][65];
    uint32_t ntime[JOBS];
    double difficulty;
    long accepted, refused;
} Pool;

typedef struct Conn {
    int fd, index;
    Kind kind;
    Pool *pool; /* of a pool's side */
    char *rest;
    size_t rest_size;
    char extranonce1[72];
    Work work;
    /* a miner's */
    char *notify; /* its newest job's line */
    char job_mark[9];
    int extranonce2_size;
    double difficulty;
    uint32_t nonce, id;
    int64_t sent_at[OPEN_SHARES]; /* by the share's id */
    bool waits, stale;
} Conn;

static Pool pools[MAX_POOLS];
static int pool_count, poll_fd, timer_fd;
static Conn **miners;
static int miner_count, at_work, waiting, next_miner;
static bool flooding, leaving, counting;
static int64_t event_at, last_in;
static char wanted_marks[MAX_POOLS][9];
static long accepted, refused, lost, unanswered_dials, window_accepted;
static char last_refusal[160];
static uint32_t *samples;
static int sample_count;

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void sample(int64_t since) {
    if (sample_count < MAX_SAMPLES) samples[sample_count++] = (uint32_t)((now_ns() - since) / 1000);
}

static int ascending(const void *a, const void *b) { return (*(uint32_t *)a > *(uint32_t *)b) - (*(uint32_t *)a < *(uint32_t *)b); }

static double part_ms(double part) { return sample_count ? samples[(int)(part * (sample_count - 1))] / 1e3 : 0; }

static void print_samples(void) {
    qsort(samples, sample_count, sizeof *samples, ascending);
    printf("\"samples\":%d,\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"max_ms\":%.3f", sample_count, part_ms(0.5), part_ms(0.99),
           part_ms(1));
}

static Conn *watch(int fd, Kind kind, uint32_t events) {
    Conn *conn = calloc(1, sizeof *conn);
    *conn = (Conn){.fd = fd, .kind = kind, .difficulty = 1, .id = FIRST_SHARE_ID};
    struct epoll_event event = {.events = events, .data.ptr = conn};
    if (epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event)) perror("epoll_ctl"), exit(1);
    return conn;
}

static void answer_at_once(int fd) { setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)); }

/* Reset the connection, so that no port stays in TIME_WAIT. */
static void drop(Conn *conn) {
    if (conn->fd < 0) return;
    setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger));
    close(conn->fd);
    conn->fd = -1;
    if (conn->kind == POOL_SIDE) {
        Pool *pool = conn->pool;
        pool->sides[conn->index] = pool->sides[--pool->count];
        pool->sides[conn->index]->index = conn->index;
    } else if (!leaving) {
        lost++;
        if (conn->waits) waiting--;
    }
}

static void send_line(Conn *conn, const char *text, size_t size) {
    if (conn->fd >= 0 && send(conn->fd, text, size, MSG_NOSIGNAL) != (ssize_t)size) drop(conn);
}

/* Point `out` at the strings of the JSON array after "params"; end each with a zero. Returns how many there are. */
static int params_of(char *line, char **out, int most) {
    int count = 0;
    char *at = strstr(line, "\"params\":[");
    for (at = at ? at + 10 : NULL; at && count < most && (at = strchr(at, '"')); at++) {
        out[count++] = ++at;
        if (!(at = strchr(at, '"'))) break;
        *at = 0;
    }
    return count;
}

/* --- A pool ------------------------------------------------------------------------------------------------------- */

static void next_job(Pool *pool, bool block) {
    pool->height += block;
    int slot = ++pool->jobs % JOBS;
    for (int i = 0; i < 8; i++) sprintf(pool->prevhash[slot] + 8 * i, "%c%07x", pool->name, pool->height);
    pool->ntime[slot] = FIRST_NTIME + pool->jobs;
}

static int notify_line(const Pool *pool, bool clean, char *out) {
    int slot = pool->jobs % JOBS;
    int size = sprintf(out, "{\"id\":null,\"method\":\"mining.notify\",\"params\":[\"%x\",\"%s\",\"" COINB1 "\",\"" COINB2 "\",[",
                       pool->jobs, pool->prevhash[slot]);
    for (int i = 0; i < BRANCHES; i++) size += sprintf(out + size, "%s\"" BRANCH "\"", i ? "," : "");
    return size + sprintf(out + size, "],\"20000000\",\"1a00ffff\",\"%08x\",%s]}\n", pool->ntime[slot], clean ? "true" : "false");
}

/* Rebuild the header and hash it; "" where the share is good, else why it is not. */
static const char *verdict(Conn *side, char **given, int count) {
    Pool *pool = side->pool;
    static char *branches[BRANCHES], key[160], coinbase[1024];
    if (count < 5 || (int)strlen(given[2]) != 2 * pool->extranonce2_size) return "bad parameters";
    int job = strtol(given[1], NULL, 16);
    if (job <= pool->jobs - JOBS || job > pool->jobs || job < 1) return "job not found";
    uint32_t bits = count > 5 ? strtoul(given[5], NULL, 16) : 0, nonce = strtoul(given[4], NULL, 16);
    snprintf(key, sizeof key, "%x %s %x %s", job, given[2], bits, given[3]);
    if (strcmp(key, side->work.key)) {
        for (int i = 0; i < BRANCHES; i++) branches[i] = BRANCH;
        snprintf(coinbase, sizeof coinbase, COINB1 "%s%s" COINB2, side->extranonce1, given[2]);
        begin(&side->work, coinbase, branches, BRANCHES, pool->prevhash[job % JOBS], (0x20000000u & ~MASK) | (bits & MASK),
              strtoul(given[3], NULL, 16), 0x1a00ffff);
        strcpy(side->work.key, key);
        side->nonce = 0;
    }
    if (nonce <= side->nonce) return "duplicate share"; /* these miners count up */
    side->nonce = nonce;
    return hashed(&side->work, nonce) <= target(pool->difficulty) ? "" : "low difficulty";
}

static int pool_answers(Conn *side, char *line, char *out) {
    Pool *pool = side->pool;
    char *given[8], *ident = strstr(line, "\"id\":");
    int id = ident ? atoi(ident + 5) : 0;
    if (strstr(line, "\"mining.submit\"")) {
        const char *why = verdict(side, given, params_of(line, given, 8));
        if (!*why) return pool->accepted++, sprintf(out, "{\"id\":%d,\"result\":true,\"error\":null}\n", id);
        pool->refused++;
        return sprintf(out, "{\"id\":%d,\"result\":null,\"error\":[23,\"%s\",null]}\n", id, why);
    }
    if (strstr(line, "\"mining.configure\""))
        return sprintf(out, "{\"id\":%d,\"result\":{\"version-rolling\":true,\"version-rolling.mask\":\"1fffe000\"},\"error\":null}\n", id);
    if (strstr(line, "\"mining.subscribe\""))
        return sprintf(out, "{\"id\":%d,\"result\":[[],\"%s\",%d],\"error\":null}\n", id, side->extranonce1, pool->extranonce2_size);
    int size = sprintf(out, "{\"id\":%d,\"result\":true,\"error\":null}\n", id);
    if (strstr(line, "\"mining.authorize\"")) {
        size += sprintf(out + size, "{\"id\":null,\"method\":\"mining.set_difficulty\",\"params\":[%.17g]}\n", pool->difficulty);
        size += notify_line(pool, true, out + size);
    }
    return size;
}

static void accepts(Pool *pool) {
    for (int fd; (fd = accept4(pool->listener->fd, NULL, NULL, SOCK_NONBLOCK)) >= 0;) {
        answer_at_once(fd);
        Conn *side = watch(fd, POOL_SIDE, EPOLLIN);
        side->pool = pool;
        snprintf(side->extranonce1, sizeof side->extranonce1, "%c%07x", pool->name, ++pool->serial & 0xfffffff);
        if (pool->count == pool->room) pool->sides = realloc(pool->sides, (pool->room += 4096) * sizeof *pool->sides);
        side->index = pool->count;
        pool->sides[pool->count++] = side;
    }
}

static void listens(Pool *pool) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(pool->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (bind(fd, (void *)&address, size) || listen(fd, 8192)) perror("pool"), exit(1);
    getsockname(fd, (void *)&address, &size);
    pool->port = ntohs(address.sin_port);
    pool->listener = watch(fd, LISTENS, EPOLLIN);
    pool->listener->pool = pool;
}

/* --- A miner ------------------------------------------------------------------------------------------------------ */

static void submit(Conn *miner) {
    if (miner->fd < 0 || !miner->notify) return;
    if (miner->stale) {
        static char copy[MAX_LINE], coinbase[MAX_LINE];
        char *given[64];
        strcpy(copy, miner->notify);
        int count = params_of(copy, given, 64);
        snprintf(coinbase, sizeof coinbase, "%s%s%0*d%s", given[2], miner->extranonce1, 2 * miner->extranonce2_size, 0, given[3]);
        uint32_t version = strtoul(given[count - 3], NULL, 16);
        begin(&miner->work, coinbase, given + 4, count - 7, given[1], (version & ~MASK) | 0x2000,
              strtoul(given[count - 1], NULL, 16), strtoul(given[count - 2], NULL, 16));
        snprintf(miner->work.key, sizeof miner->work.key, "%s", given[0]);
        miner->stale = false;
    }
    uint64_t limit = target(miner->difficulty);
    while (hashed(&miner->work, ++miner->nonce) > limit) continue;
    char line[320];
    int size = sprintf(line, "{\"id\":%u,\"method\":\"mining.submit\",\"params\":[\"wallet.rig%d\",\"%s\",\"%0*d\",\"%08x\",\"%08x\",\"00002000\"]}\n",
                       ++miner->id, miner->index, miner->work.key, 2 * miner->extranonce2_size, 0, miner->work.ntime, miner->nonce);
    miner->sent_at[miner->id % OPEN_SHARES] = now_ns();
    send_line(miner, line, size);
}

static void notified(Conn *miner, const char *line, size_t size) {
    const char *prevhash = memmem(line, size, "\",\"", 3);
    char *at = strstr(line, "\"params\":[\"");
    if (!at || !(prevhash = strstr(at + 11, "\",\""))) return;
    if (!miner->notify) at_work++;
    miner->notify = realloc(miner->notify, size + 1);
    memcpy(miner->notify, line, size + 1);
    memcpy(miner->job_mark, prevhash + 3, 8);
    miner->stale = true;
    if (!miner->waits) return;
    for (int i = 0; i < pool_count; i++)
        if (!strcmp(wanted_marks[i], miner->job_mark)) {
            miner->waits = false;
            waiting--;
            sample(event_at);
            last_in = now_ns();
        }
}

static void miner_hears(Conn *miner, char *line, size_t size) {
    char text[160];
    if (strstr(line, "\"method\":")) {
        char *value = strstr(line, "\"mining.set_difficulty\",\"params\":[");
        if (value) miner->difficulty = atof(value + 34);
        if (strstr(line, "\"mining.notify\"")) notified(miner, line, size);
        return;
    }
    char *ident = strstr(line, "\"id\":");
    uint32_t id = ident ? strtoul(ident + 5, NULL, 10) : 0;
    if (id == 2) {
        char *end = strstr(line, "],\"error\""), *comma = end, *quote;
        while (comma && comma > line && *comma != ',') comma--;
        if (!comma || comma == line) return;
        miner->extranonce2_size = atoi(comma + 1);
        *--comma = 0;
        quote = strrchr(line, '"');
        snprintf(miner->extranonce1, sizeof miner->extranonce1, "%s", quote ? quote + 1 : "");
        send_line(miner, text, sprintf(text, "{\"id\":3,\"method\":\"mining.authorize\",\"params\":[\"wallet.rig%d\",\"x\"]}\n", miner->index));
    } else if (id > FIRST_SHARE_ID) {
        if (strstr(line, "\"result\":true")) {
            accepted++;
            window_accepted++;
        } else {
            refused++;
            snprintf(last_refusal, sizeof last_refusal, "%.150s", line);
            for (char *c = last_refusal; *c; c++)
                if (*c == '"' || *c == '\\') *c = '\'';
        }
        if (counting && miner->id - id < OPEN_SHARES) sample(miner->sent_at[id % OPEN_SHARES]);
        if (flooding) submit(miner);
    }
}

static void connected(Conn *miner) {
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(miner->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error) {
        unanswered_dials++;
        drop(miner);
        return;
    }
    miner->kind = MINER;
    epoll_ctl(poll_fd, EPOLL_CTL_MOD, miner->fd, &(struct epoll_event){.events = EPOLLIN, .data.ptr = miner});
    static const char hello[] =
        "{\"id\":1,\"method\":\"mining.configure\",\"params\":[[\"version-rolling\"],{\"version-rolling.mask\":\"1fffe000\"}]}\n"
        "{\"id\":2,\"method\":\"mining.subscribe\",\"params\":[\"bench/1.0\"]}\n";
    send_line(miner, hello, sizeof hello - 1);
}

/* --- The loop ----------------------------------------------------------------------------------------------------- */

static void reads(Conn *conn) {
    static char buffer[1 << 18], replies[1 << 18];
    size_t had = conn->rest_size, answered = 0;
    memcpy(buffer, conn->rest, had);
    ssize_t size = recv(conn->fd, buffer + had, (1 << 17) - had, 0);
    if (size <= 0) {
        if (size == 0 || (errno != EAGAIN && errno != EINTR)) drop(conn);
        return;
    }
    size += had;
    char *at = buffer, *end = buffer + size, *newline;
    while (conn->fd >= 0 && (newline = memchr(at, '\n', end - at))) {
        *newline = 0;
        if (conn->kind == POOL_SIDE && answered < sizeof replies - MAX_LINE)
            answered += pool_answers(conn, at, replies + answered);
        else if (conn->kind == MINER)
            miner_hears(conn, at, newline - at);
        at = newline + 1;
    }
    conn->rest_size = end - at;
    if (conn->rest_size) {
        conn->rest = realloc(conn->rest, conn->rest_size);
        memcpy(conn->rest, at, conn->rest_size);
    }
    if (answered) send_line(conn, replies, answered);
}

static void command(char *line);

static void paced(void) {
    uint64_t due = 0;
    if (read(timer_fd, &due, sizeof due) != sizeof due) return;
    for (; due && miner_count; due--) submit(miners[next_miner++ % miner_count]);
}

static void turn(int timeout_ms) {
    struct epoll_event events[512];
    int count = epoll_wait(poll_fd, events, 512, timeout_ms);
    for (int i = 0; i < count; i++) {
        Conn *conn = events[i].data.ptr;
        if (conn->fd < 0) continue;
        switch (conn->kind) {
        case LISTENS: accepts(conn->pool); break;
        case DIALS: connected(conn); break;
        case METRONOME: paced(); break;
        case COMMANDS: {
            static char line[256];
            if (!fgets(line, sizeof line, stdin)) exit(0);
            command(line);
            fflush(stdout);
            return; /* the other events may be of miners that left */
        }
        default: reads(conn);
        }
    }
}

static void turn_for(double seconds) {
    for (int64_t end = now_ns() + (int64_t)(seconds * 1e9), left; (left = end - now_ns()) > 0;) turn(left / 1000000 + 1);
}

static bool all_came(void) {
    for (int64_t end = now_ns() + TIMEOUT_NS; waiting > 0 && now_ns() < end;) turn(20);
    return waiting <= 0;
}

/* --- Commands ----------------------------------------------------------------------------------------------------- */

static Pool *named(char name) {
    for (int i = 0; i < pool_count; i++)
        if (pools[i].name == name) return pools + i;
    return pools;
}

static void expect_any_job(void) {
    for (int i = 0; i < pool_count; i++) sprintf(wanted_marks[i], "%c%07x", pools[i].name, pools[i].height);
    sample_count = 0;
    event_at = last_in = now_ns();
}

static void connect_all(int port, int count) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    miners = realloc(miners, (miner_count + count) * sizeof *miners);
    expect_any_job();
    lost = unanswered_dials = 0;
    for (int i = 0; i < count; i++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        if (fd < 0) perror("socket"), exit(1);
        answer_at_once(fd);
        setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &(int){1}, sizeof(int));
        struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(FIRST_ADDRESS + miner_count)};
        if (bind(fd, (void *)&own, sizeof own)) perror("bind"), exit(1);
        if (connect(fd, (void *)&address, sizeof address) && errno != EINPROGRESS) perror("connect"), exit(1);
        Conn *miner = watch(fd, DIALS, EPOLLOUT);
        miner->index = miner_count;
        miner->waits = true;
        miners[miner_count++] = miner;
        waiting++;
    }
    bool all = all_came();
    printf("{\"seconds\":%.4f,\"in_work\":%d,\"all\":%s,\"lost\":%ld,", (last_in - event_at) / 1e9, at_work,
           all && !lost ? "true" : "false", lost);
    print_samples();
    printf("}\n");
}

static void announce(const char *names, bool block) {
    static char line[MAX_LINE];
    for (int i = 0; i < miner_count; i++) {
        Pool *pool = named(miners[i]->job_mark[0]);
        miners[i]->waits = miners[i]->fd >= 0 && strchr(names, pool->name) && block;
        waiting += miners[i]->waits;
    }
    for (const char *name = names; *name; name++) next_job(named(*name), block);
    expect_any_job();
    for (const char *name = names; *name; name++) {
        Pool *pool = named(*name);
        int size = notify_line(pool, block, line);
        for (int i = pool->count; i-- > 0;) send_line(pool->sides[i], line, size);
    }
    bool all = all_came();
    printf("{\"all\":%s,", all ? "true" : "false");
    print_samples();
    printf("}\n");
}

static void kill_pool(Pool *pool) {
    for (int i = 0; i < miner_count; i++) {
        miners[i]->waits = miners[i]->fd >= 0 && miners[i]->job_mark[0] == pool->name;
        waiting += miners[i]->waits;
    }
    int theirs = waiting;
    expect_any_job();
    wanted_marks[pool - pools][0] = 0;
    close(pool->listener->fd);
    pool->listener->fd = -1;
    while (pool->count) drop(pool->sides[pool->count - 1]);
    bool all = all_came();
    printf("{\"all\":%s,\"miners\":%d,\"ms\":%.3f,", all ? "true" : "false", theirs, (last_in - event_at) / 1e6);
    print_samples();
    printf("}\n");
}

static void shares(double per_s, double seconds) {
    counting = true;
    sample_count = 0;
    window_accepted = 0;
    long refused_before = refused;
    int64_t began = now_ns();
    if (per_s > 0) {
        int64_t gap = (int64_t)(1e9 / per_s);
        struct timespec each = {gap / 1000000000, gap % 1000000000};
        timerfd_settime(timer_fd, 0, &(struct itimerspec){each, each}, NULL);
        turn_for(seconds);
        timerfd_settime(timer_fd, 0, &(struct itimerspec){0}, NULL);
    } else {
        flooding = true;
        for (int i = 0; i < miner_count; i++) submit(miners[i]);
        turn_for(seconds);
        flooding = false;
    }
    double took = (now_ns() - began) / 1e9;
    long came = window_accepted;
    turn_for(0.3); /* what is under way */
    counting = false;
    printf("{\"accepted\":%ld,\"seconds\":%.4f,\"per_s\":%.1f,\"refused\":%ld,\"lost\":%ld,", came, took, came / took,
           refused - refused_before, lost);
    print_samples();
    printf("}\n");
}

static void all_leave(void) {
    leaving = true;
    for (int i = 0; i < miner_count; i++) drop(miners[i]), free(miners[i]->notify), free(miners[i]->rest), free(miners[i]);
    miner_count = at_work = waiting = 0;
    leaving = false;
    turn_for(1.0);
    printf("{}\n");
}

static void command(char *line) {
    char verb[16] = "", first[64] = "", second[64] = "";
    sscanf(line, "%15s %63s %63s", verb, first, second);
    if (!strcmp(verb, "connect")) connect_all(atoi(first), atoi(second));
    else if (!strcmp(verb, "flood")) shares(0, atof(first));
    else if (!strcmp(verb, "rate")) shares(atof(first), atof(second));
    else if (!strcmp(verb, "block")) announce(first, true);
    else if (!strcmp(verb, "job")) announce(first, false);
    else if (!strcmp(verb, "kill")) kill_pool(named(*first));
    else if (!strcmp(verb, "revive")) listens(named(*first)), printf("{}\n");
    else if (!strcmp(verb, "leave")) all_leave();
    else if (!strcmp(verb, "lines")) printf("{\"lines\":%d}\n", named(*first)->count);
    else if (!strcmp(verb, "books")) {
        long taken = 0, refusals = 0;
        for (int i = 0; i < pool_count; i++) taken += pools[i].accepted, refusals += pools[i].refused;
        printf("{\"pools_accepted\":%ld,\"pools_refused\":%ld,\"miners_accepted\":%ld,\"miners_refused\":%ld,\"last_refusal\":\"%s\"}\n",
               taken, refusals, accepted, refused, last_refusal);
    } else printf("{\"error\":\"no such command\"}\n");
}

int main(int count, char **given) {
    if (count < 3) return fprintf(stderr, "farm HASHES_PER_DIFFICULTY NAME:EXTRANONCE2_SIZE:DIFFICULTY ...\n"), 1;
    hashes_per_difficulty = atof(given[1]);
    samples = malloc(MAX_SAMPLES * sizeof *samples);
    poll_fd = epoll_create1(0);
    timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    watch(timer_fd, METRONOME, EPOLLIN);
    watch(0, COMMANDS, EPOLLIN);
    setvbuf(stdin, NULL, _IONBF, 0);
    for (int i = 2; i < count && pool_count < MAX_POOLS; i++) {
        Pool *pool = pools + pool_count++;
        pool->name = given[i][0];
        char *colon = strchr(given[i] + 2, ':');
        pool->extranonce2_size = atoi(given[i] + 2);
        pool->difficulty = colon ? atof(colon + 1) : 1;
        next_job(pool, true);
        listens(pool);
        printf("%s%d", i > 2 ? " " : "", pool->port);
    }
    printf("\n");
    for (fflush(stdout);;) turn(-1);
}
