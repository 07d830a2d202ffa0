#include "proxy/watch.h"

#include "base/uri.h"
#include "config/options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct seen {
    int error; /* of stat(2) */
    dev_t device;
    ino_t inode;
    off_t bytes;
    struct timespec written;
    struct timespec changed;
};

struct look {
    struct seen *files;
    size_t count;
};

static struct seen see(const char *path)
{
    struct seen seen = { .error = 0 };
    struct stat st;

    if (stat(path, &st) < 0) {
        seen.error = errno;
        return seen;
    }
    seen.device = st.st_dev;
    seen.inode = st.st_ino;
    seen.bytes = st.st_size;
    seen.written = st.st_mtim;
    seen.changed = st.st_ctim;
    return seen;
}

static int add(struct look *look, const char *path)
{
    struct seen *grown = realloc(look->files, (look->count + 1) * sizeof(*grown));

    if (grown == NULL)
        return -1;
    look->files = grown;
    grown[look->count++] = see(path);
    return 0;
}

/* All keys of a section whose value is the name of a file. */
static int add_section(struct look *look, const char *kind, const struct section *section)
{
    for (size_t i = 0; i < option_count; i++) {
        const char *path;

        if (options[i].type != OPT_PATH || strcmp(options[i].section, kind) != 0)
            continue;
        path = *(char *const *)((const char *)section + options[i].offset);
        if (path != NULL && !uri_is(path) && add(look, path) < 0)
            return -1;
    }
    return 0;
}

static int add_all(struct look *look, const struct config *config)
{
    if (config->proxy.ticket_keys != NULL && add(look, config->proxy.ticket_keys) < 0)
        return -1;
    for (size_t i = 0; i < config->certificate_count; i++)
        if (add_section(look, "certificate", &config->certificates[i].section) < 0)
            return -1;
    for (size_t i = 0; i < config->listener_count; i++)
        if (add_section(look, "listener", &config->listeners[i].section) < 0)
            return -1;
    return 0;
}

struct look *look_new(const struct config *config)
{
    struct look *look = calloc(1, sizeof(*look));

    if (look != NULL && add_all(look, config) < 0) {
        look_free(look);
        return NULL;
    }
    return look;
}

struct look *look_copy(const struct look *look)
{
    struct look *copy = calloc(1, sizeof(*copy));

    if (copy == NULL)
        return NULL;
    copy->files = calloc(look->count + 1, sizeof(*copy->files));
    if (copy->files == NULL) {
        free(copy);
        return NULL;
    }
    for (; copy->count < look->count; copy->count++)
        copy->files[copy->count] = look->files[copy->count];
    return copy;
}

void look_free(struct look *look)
{
    if (look == NULL)
        return;
    free(look->files);
    free(look);
}

static bool is_same_time(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool is_same(const struct seen *a, const struct seen *b)
{
    return a->error == b->error && a->device == b->device && a->inode == b->inode &&
           a->bytes == b->bytes && is_same_time(&a->written, &b->written) &&
           is_same_time(&a->changed, &b->changed);
}

bool look_is_equal(const struct look *a, const struct look *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (!is_same(&a->files[i], &b->files[i]))
            return false;
    return true;
}
