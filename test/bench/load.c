/* load.c - loads a TLS proxy from both ends and says what it cost the proxy. run.py drives it. */
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "fail.h"
#include "greeting.h"
#include "handshakes.h"
#include "meter.h"
#include "pattern.h"

#define SECOND          1000000000ULL
#define OPENING_AT_ONCE 32
#define PATIENCE        (60 * SECOND) /* for what takes seconds */
#define EVENTS          64
#define MOST_SAMPLES    (1U << 21)

enum stage { OPENING, WARMING, MEASURING, HOLDING, CLOSING, CLOSED, DONE };

struct load load;

static const struct traffic *const traffics[] = { &bulk_download, &bulk_upload, &messages,
                                                  &requests,      &posts,       &viewers,
                                                  &silence };

static enum stage stage;
static uint64_t stage_ends;
static int epoll, listener = -1;
static unsigned opened, ready, greeted, ended; /* clients, and backends of streams */
static struct meter before, after;
static uint64_t units_before, bytes_before;
static struct handshake_counts handshakes_before, handshakes_after;
static uint32_t *samples; /* ns */
static size_t sample_count;

void sample_add(uint64_t duration)
{
    if (load.is_measuring && sample_count < MOST_SAMPLES)
        samples[sample_count++] = duration < UINT32_MAX ? (uint32_t)duration : UINT32_MAX;
}

void backend_awaits_end(struct end *e, uint32_t events)
{
    unsigned char byte;
    ssize_t n = end_read(e, &byte, 1);

    (void)events;
    if (n > 0)
        fail("a backend got a byte that no client sent");
    if (n == 0)
        return;
    if (e->greeting == GREETING_STREAM)
        ended++;
    end_close(e);
}

static void on_client_of_silence(struct end *e, uint32_t events)
{
    unsigned char byte;

    (void)events;
    if (end_read(e, &byte, 1) != 0)
        fail("a silent connection was closed, or got a byte that no backend sent");
}

const struct traffic silence = {
    .name = "silence",
    .on_client = on_client_of_silence,
    .on_backend = backend_awaits_end,
};

/* -- opening */

static void on_stream_client(struct end *e)
{
    e->on_event = load.traffic->on_client;
    load.clients[e->number] = e;
    ready++;
}

static void on_stream_backend(struct end *e)
{
    e->on_event = load.traffic->on_backend;
    e->greeting = GREETING_STREAM;
    greeted++;
    if (load.traffic->is_silent_at_first)
        return;
    if (e->number >= load.connections || load.backends[e->number])
        fail("two backends were greeted by the same client");
    load.backends[e->number] = e;
}

static void on_stray_handshake(struct end *e)
{
    (void)e;
    fail("a handshake was greeted before there were any");
}

static void open_more(void)
{
    while (opened < load.connections && opened - ready < OPENING_AT_ONCE) {
        greeting_connect(opened, GREETING_STREAM, load.traffic->is_silent_at_first,
                         on_stream_client);
        opened++;
    }
}

/* -- stages */

static void enter(enum stage next, uint64_t length)
{
    stage = next;
    stage_ends = clock_now() + length;
}

static void say(const char *word)
{
    puts(word);
    fflush(stdout);
}

static void begin_traffic(void)
{
    if (load.traffic->begin)
        load.traffic->begin();
    if (load.handshakes > 0) {
        epoll_ctl(epoll, EPOLL_CTL_DEL, listener, NULL);
        handshakes_start(load.handshakes, listener);
    }
    enter(WARMING, (uint64_t)(load.warm * 1e9));
}

static void begin_measuring(void)
{
    units_before = load.units;
    bytes_before = load.bytes;
    handshakes_before = handshakes_read();
    load.is_measuring = true;
    say("measuring");
    meter_read(&before);
    enter(MEASURING, (uint64_t)(load.seconds * 1e9));
}

static void hold(void)
{
    say("ready");
    enter(HOLDING, NEVER / 2);
}

static void close_clients(void)
{
    unsigned n;

    for (n = 0; n < load.connections; n++)
        end_shut(load.clients[n]);
    enter(CLOSING, PATIENCE);
}

static void on_order(void)
{
    char order[64];
    ssize_t n = read(STDIN_FILENO, order, sizeof(order));

    if (n > 0 && stage == HOLDING)
        close_clients();
    else
        stage = DONE; /* whoever gave orders is gone */
}

static void step(uint64_t now)
{
    switch (stage) {
    case OPENING:
        open_more();
        if (ready == load.connections)
            begin_traffic();
        else if (now >= stage_ends)
            fail("%u of %u connections came about in time", ready, load.connections);
        break;
    case WARMING:
        if (load.holds && load.limit && load.finished == load.connections)
            hold();
        else if (now >= stage_ends && load.limit)
            fail("%u of %u connections got all bytes in time", load.finished, load.connections);
        else if (now >= stage_ends)
            load.holds ? hold() : begin_measuring();
        break;
    case MEASURING:
        if (now >= stage_ends) {
            meter_read(&after);
            handshakes_after = handshakes_read();
            load.is_measuring = false;
            stage = DONE;
        }
        break;
    case CLOSING:
        if (ended == load.connections) {
            say("closed");
            enter(CLOSED, NEVER / 2);
        } else if (now >= stage_ends) {
            fail("%u of %u backends saw the end in time", ended, load.connections);
        }
        break;
    case HOLDING:
    case CLOSED:
    case DONE:
        break;
    }
}

/* -- loop */

static void wait_and_serve(uint64_t until, uint64_t now)
{
    struct epoll_event events[EVENTS];
    uint64_t wait = until > now ? until - now : 0;
    struct timespec t = { .tv_sec = (time_t)(wait / SECOND), .tv_nsec = (long)(wait % SECOND) };
    int n, count = epoll_pwait2(epoll, events, EVENTS, &t, NULL);

    if (count < 0 && errno != EINTR)
        fail("epoll_pwait2: %s", strerror(errno));
    for (n = 0; n < count; n++) {
        struct end *e = events[n].data.ptr;

        if (events[n].data.ptr == &listener)
            greeting_accept(listener, load.traffic->is_silent_at_first, on_stream_backend,
                            on_stray_handshake);
        else if (events[n].data.ptr == &stage)
            on_order();
        else
            e->on_event(e, events[n].events);
    }
}

static void run(void)
{
    while (stage != DONE) {
        uint64_t now = clock_now(), due, next;

        step(now); /* first: it may set what is waited for */
        due = stage_ends;
        if (load.traffic->turn && stage >= WARMING && stage <= HOLDING) {
            next = load.traffic->turn(now);
            due = next < due ? next : due;
        }
        wait_and_serve(due, now);
    }
}

static void watch(int fd, void *mark)
{
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = mark };

    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
        fail("descriptor %d cannot be watched: %s", fd, strerror(errno));
}

/* -- results */

static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static double sample_ms(double share)
{
    size_t n = (size_t)(share * (double)sample_count);

    return sample_count ? samples[n < sample_count ? n : sample_count - 1] / 1e6 : 0;
}

static void report(void)
{
    qsort(samples, sample_count, sizeof(*samples), by_size);
    printf("{\"seconds\": %.6f, \"units\": %llu, \"bytes\": %llu, \"handshakes\": %llu, "
           "\"resumed\": %llu, \"used\": %.6f, \"waited\": %.6f, "
           "\"own\": %.6f, \"switches\": %llu, \"p50_ms\": %.4f, \"p99_ms\": %.4f, "
           "\"longest_ms\": %.4f}\n",
           (double)(after.now - before.now) / 1e9, (unsigned long long)(load.units - units_before),
           (unsigned long long)(load.bytes - bytes_before),
           (unsigned long long)(handshakes_after.done - handshakes_before.done),
           (unsigned long long)(handshakes_after.resumed - handshakes_before.resumed),
           (double)(after.used - before.used) / 1e9, (double)(after.waited - before.waited) / 1e9,
           (double)(after.own - before.own + handshakes_after.own - handshakes_before.own) / 1e9,
           (unsigned long long)(after.switches - before.switches), sample_ms(0.5), sample_ms(0.99),
           sample_ms(1));
}

/* -- arguments */

static const char usage[] =
    "Usage: load TRAFFIC --proxy PORT --listener FD [OPTION...]\n"
    "\n"
    "TRAFFIC is download, upload, messages, requests, posts, viewers or silence.\n"
    "\n"
    "  --proxy PORT          the proxy, on 127.0.0.1\n"
    "  --listener FD         where the proxy reaches its backend: a socket that listens\n"
    "  --watch PID           a process whose costs count; may be given several times\n"
    "  --connections N       clients of the traffic\n"
    "  --handshakes N        beside it, this many clients that only shake hands, again and again\n"
    "  --rate N              messages a second; or bytes a second that a viewer is offered\n"
    "  --reads N             bytes a second that a viewer takes\n"
    "  --limit N             bytes for each connection, then it is silent\n"
    "  --warm S              seconds before measuring\n"
    "  --seconds S           of measuring\n"
    "  --hold                instead: say ready, close on a line of input, say closed\n"
    "  --resume              handshakes resume the last session\n"
    "  --tls12               clients speak TLS 1.2\n";

enum argument {
    PROXY = 1,
    LISTENER,
    WATCH,
    CONNECTIONS,
    HANDSHAKES,
    RATE,
    READS,
    LIMIT,
    WARM,
    SECONDS,
    HOLD,
    RESUME,
    TLS12
};

static const struct option options[] = {
    { "proxy", required_argument, NULL, PROXY },
    { "listener", required_argument, NULL, LISTENER },
    { "watch", required_argument, NULL, WATCH },
    { "connections", required_argument, NULL, CONNECTIONS },
    { "handshakes", required_argument, NULL, HANDSHAKES },
    { "rate", required_argument, NULL, RATE },
    { "reads", required_argument, NULL, READS },
    { "limit", required_argument, NULL, LIMIT },
    { "warm", required_argument, NULL, WARM },
    { "seconds", required_argument, NULL, SECONDS },
    { "hold", no_argument, NULL, HOLD },
    { "resume", no_argument, NULL, RESUME },
    { "tls12", no_argument, NULL, TLS12 },
    { 0 },
};

static _Noreturn void misused(void)
{
    fputs(usage, stderr);
    exit(2);
}

static const struct traffic *traffic_called(const char *name)
{
    size_t n;

    for (n = 0; n < sizeof(traffics) / sizeof(*traffics); n++)
        if (strcmp(traffics[n]->name, name) == 0)
            return traffics[n];
    misused();
}

static void take_option(int option, struct sockaddr_in *proxy, struct tls_wishes *wishes)
{
    const char *text = optarg ? optarg : "0";
    unsigned number = (unsigned)strtoul(text, NULL, 10);

    switch (option) {
    case PROXY:
        proxy->sin_port = htons((uint16_t)number);
        break;
    case LISTENER:
        listener = (int)number;
        break;
    case WATCH:
        meter_watch((pid_t)number);
        break;
    case CONNECTIONS:
        load.connections = number;
        break;
    case HANDSHAKES:
        load.handshakes = number;
        break;
    case RATE:
        load.rate = number;
        break;
    case READS:
        load.reads = number;
        break;
    case LIMIT:
        load.limit = number;
        break;
    case WARM:
        load.warm = strtod(text, NULL);
        break;
    case SECONDS:
        load.seconds = strtod(text, NULL);
        break;
    case HOLD:
        load.holds = true;
        break;
    case RESUME:
        wishes->resumes = true;
        break;
    case TLS12:
        wishes->is_old = true;
        break;
    default:
        misused();
    }
}

int main(int argc, char **argv)
{
    struct sockaddr_in proxy = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct tls_wishes wishes = { 0 };
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
        take_option(option, &proxy, &wishes);
    if (optind != argc - 1 || listener < 0 || !proxy.sin_port)
        misused();
    load.traffic = traffic_called(argv[optind]);
    wishes.reads_in_bulk = !load.traffic->is_slow;
    load.clients = calloc(load.connections + 1, sizeof(*load.clients));
    load.backends = calloc(load.connections + 1, sizeof(*load.backends));
    samples = malloc(MOST_SAMPLES * sizeof(*samples));
    epoll = epoll_create1(EPOLL_CLOEXEC);
    if (!load.clients || !load.backends || !samples || epoll < 0)
        fail("no memory");
    prctl(PR_SET_TIMERSLACK, 1); /* messages leave when they are due */
    pattern_init();
    greeting_init();
    ends_init(epoll, proxy, wishes);
    watch(listener, &listener);
    if (load.holds)
        watch(STDIN_FILENO, &stage);
    enter(OPENING, PATIENCE);
    open_more();
    run();
    handshakes_stop();
    if (!load.holds)
        report();
    return 0;
}
