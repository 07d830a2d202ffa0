/* librtmp.c - a client with librtmp, used as OBS uses it.
 *
 *    librtmp publish URL FILE.flv    one tag after the other, each when its time has come
 *    librtmp play URL FILE.flv       what comes is in the file at once
 *
 * It ends with the file, or with the stream.
 */
#include <librtmp/rtmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { FILE_HEAD = 9 + 4, TAG_HEAD = 11, TAG_TAIL = 4, TAG_MAX = 1 << 24 };

static char tag[TAG_HEAD + TAG_MAX + TAG_TAIL];

static void fail(const char *what)
{
    fprintf(stderr, "%s failed\n", what);
    exit(1);
}

static unsigned u24(const char *p)
{
    const unsigned char *u = (const unsigned char *)p;

    return (unsigned)u[0] << 16 | (unsigned)u[1] << 8 | u[2];
}

/* The next tag of an FLV file with the size that follows it; its length, 0 at the end. */
static int read_tag(FILE *file)
{
    unsigned body;

    if (fread(tag, 1, TAG_HEAD, file) != TAG_HEAD)
        return 0;
    body = u24(tag + 1);
    if (fread(tag + TAG_HEAD, 1, body + TAG_TAIL, file) != body + TAG_TAIL)
        fail("reading a tag");
    return (int)(TAG_HEAD + body + TAG_TAIL);
}

static void wait_until(const struct timespec *start, unsigned ms)
{
    struct timespec when = *start;

    when.tv_sec += ms / 1000;
    when.tv_nsec += (long)(ms % 1000) * 1000000;
    if (when.tv_nsec >= 1000000000) {
        when.tv_nsec -= 1000000000;
        when.tv_sec++;
    }
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &when, NULL);
}

static void publish(RTMP *rtmp, FILE *file)
{
    struct timespec start;
    int len;

    if (fread(tag, 1, FILE_HEAD, file) != FILE_HEAD)
        fail("reading the file's head");
    clock_gettime(CLOCK_MONOTONIC, &start);
    while ((len = read_tag(file)) > 0) {
        wait_until(&start, u24(tag + 4));
        if (RTMP_Write(rtmp, tag, len) != len)
            fail("writing a tag");
    }
}

static void play(RTMP *rtmp, FILE *file)
{
    int len;

    while ((len = RTMP_Read(rtmp, tag, sizeof(tag))) > 0)
        if (fwrite(tag, 1, (size_t)len, file) != (size_t)len || fflush(file) != 0)
            fail("writing the file");
}

int main(int argc, char **argv)
{
    int publishes = argc == 4 && strcmp(argv[1], "publish") == 0;
    RTMP *rtmp = RTMP_Alloc();
    FILE *file;

    if (argc != 4 || !rtmp)
        fail("starting");
    RTMP_Init(rtmp);
    if (!RTMP_SetupURL(rtmp, argv[2]))
        fail("reading the address");
    rtmp->Link.lFlags |= RTMP_LF_LIVE;
    if (publishes)
        RTMP_EnableWrite(rtmp);
    file = fopen(argv[3], publishes ? "rb" : "wb");
    if (!file)
        fail("opening the file");
    if (!RTMP_Connect(rtmp, NULL))
        fail("connecting");
    if (!RTMP_ConnectStream(rtmp, 0))
        fail("the stream");

    if (publishes)
        publish(rtmp, file);
    else
        play(rtmp, file);
    RTMP_Close(rtmp);
    RTMP_Free(rtmp);
    return fclose(file) != 0;
}
