#include "proxy/front.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int complain_of(struct complaints *c, const struct front *front, const char *path,
                       const char *fault)
{
    complain(c, config_key_line(&front->config->section, "override"), front->config->section.name,
             "override", "%s: %s", path, fault);
    return -1;
}

/* A regular file; a pipe would keep the master waiting. -1 with *fault. */
static int open_file(const char *path, const char **fault)
{
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        *fault = strerror(errno);
    else if (!S_ISREG(st.st_mode))
        *fault = "is no regular file";
    else
        return fd;
    if (fd >= 0)
        (void)close(fd);
    return -1;
}

/* The whole file, or NULL with *fault. */
static char *read_file(const char *path, size_t *len, const char **fault)
{
    int fd = open_file(path, fault);
    char *bytes = fd >= 0 ? malloc(FRONT_OVERRIDE_BYTES_MAX + 1) : NULL;
    ssize_t n = 0;

    if (fd < 0)
        return NULL;
    *fault = bytes == NULL ? "memory has run out" : NULL;
    for (*len = 0; *fault == NULL && *len <= FRONT_OVERRIDE_BYTES_MAX; *len += (size_t)n) {
        n = read(fd, bytes + *len, FRONT_OVERRIDE_BYTES_MAX + 1 - *len);
        if (n < 0)
            *fault = strerror(errno);
        if (n <= 0)
            break;
    }
    (void)close(fd);
    if (*fault == NULL && *len > FRONT_OVERRIDE_BYTES_MAX)
        *fault = "is longer than 1m; override is for small files";
    if (*fault == NULL)
        return bytes;
    free(bytes);
    return NULL;
}

static int read_override(struct front *front, const char *directory, size_t i, struct complaints *c)
{
    const struct words *pairs = &front->config->override;
    struct override *o = &front->overrides[i];
    const char *name = pairs->items[2 * i + 1];
    const char *fault;
    char *path;

    o->path = pairs->items[2 * i];
    o->name = name;
    if (asprintf(&path, "%s%s", *name == '/' ? "" : directory, name) < 0)
        return complain_of(c, front, name, "memory has run out");
    o->bytes = read_file(path, &o->len, &fault);
    if (o->bytes == NULL)
        (void)complain_of(c, front, path, fault);
    free(path);
    return o->bytes != NULL ? 0 : -1;
}

static int read_overrides(struct front *front, const char *directory, struct complaints *c)
{
    size_t count = front->config->override.count / 2;
    int status = 0;

    if (count == 0)
        return 0;
    front->overrides = calloc(count, sizeof(*front->overrides));
    if (front->overrides == NULL)
        return complain_of(c, front, "-", "memory has run out");
    front->override_count = count;
    for (size_t i = 0; i < count; i++)
        if (read_override(front, directory, i, c) < 0)
            status = -1;
    return status;
}

static enum rewrite_hsts hsts_of(const char *text)
{
    if (text == NULL || strcmp(text, "pass") == 0)
        return HSTS_PASS;
    return strcmp(text, "strip") == 0 ? HSTS_STRIP : HSTS_SET;
}

int front_set_http(struct front *front, const char *directory, struct complaints *c)
{
    static const enum rewrite_forwarded forwarded[] = {
        [FORWARD_REPLACE] = FORWARDED_REPLACE,
        [FORWARD_APPEND] = FORWARDED_APPEND,
        [FORWARD_OFF] = FORWARDED_OFF,
    };
    const struct listener_config *l = front->config;
    bool is_http = l->backend_scheme == BACKEND_IS_HTTP;

    if ((l->offers & OFFERS_HTTP) == 0)
        return 0;
    front->rewrite = (struct rewrite_options){
        .forwarded = forwarded[l->forwarded],
        .location = l->rewrite_location && is_http,
        .secure_cookies = l->secure_cookies && is_http,
        .origin = l->rewrite_origin && is_http,
        .csp = l->rewrite_csp && is_http,
        .jnlp = l->rewrite_jnlp && is_http,
        .hsts = hsts_of(l->hsts),
        .hsts_value = l->hsts,
        .backend = l->backends[PROTOCOL_HTTP].text,
    };
    return read_overrides(front, directory, c);
}

void front_free_http(struct front *front)
{
    for (size_t i = 0; i < front->override_count; i++)
        free(front->overrides[i].bytes);
    free(front->overrides);
}
