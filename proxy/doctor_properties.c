/* doctor_properties.c - whether Red5's own conf/red5.properties fits to proxy.ini. */
#include "proxy/doctor.h"
#include "proxy/properties.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_BYTES_MAX = 256 * 1024 };

static const char check[] = "red5-properties";
static const char to_set[] = "scripts/openmeetings enable DIR sets it";

struct file {
    struct doctor *d;
    const char *path;
    const char *text;
};

static bool find(const struct file *f, const char *key, char out[80])
{
    char value[20];

    if (!properties_find(f->text, key, value, sizeof(value)) || value[0] == '\0')
        return false;
    (void)log_escape(value, out, 80);
    return true;
}

/* ---- what it should say ---- */

/* Red5 need not be reached by anybody but the proxy. Where the key is missing it listens
 * on all addresses. */
static void check_host(const struct file *f, const char *key)
{
    char value[80] = "all addresses";

    if (find(f, key, value) && (strncmp(value, "127.", 4) == 0 || strcmp(value, "::1") == 0 ||
                                strcasecmp(value, "localhost") == 0))
        doctor_ok(f->d, check, f->path, "says %s = %s", key, value);
    else
        doctor_warning(f->d, check, f->path, to_set,
                       "has Red5 listen on %s (%s), where others may reach it without TLS; "
                       "127.0.0.1 is enough for the proxy",
                       value, key);
}

static const struct target *find_target(const struct doctor *d, enum protocol protocol)
{
    for (size_t i = 0; i < d->target_count; i++)
        if (d->targets[i].protocol == protocol)
            return &d->targets[i];
    return NULL;
}

/* The port that a backend of proxy.ini has. */
static void check_backend_port(const struct file *f, const char *key, enum protocol protocol)
{
    const struct target *t = find_target(f->d, protocol);
    char value[80];

    if (t == NULL || t->backend->address_count == 0 || !find(f, key, value))
        return;
    if (strtoul(value, NULL, 10) == addr_port(&t->backend->addresses[0]))
        doctor_ok(f->d, check, f->path, "says %s = %s, as proxy.ini does", key, value);
    else
        doctor_fault(f->d, check, f->path, "make the two agree",
                     "says %s = %s, and proxy.ini has %s", key, value, t->subject);
}

/* OpenMeetings 4.0 sends browsers there, though Red5 does not listen. */
static void check_public_port(const struct file *f)
{
    const struct listener_config *l = NULL;
    char value[80];
    unsigned long port;

    if (!find(f, "rtmps.port", value))
        return;
    port = strtoul(value, NULL, 10);
    for (size_t i = 0; l == NULL && i < f->d->place_count; i++)
        if (addr_port(&f->d->places[i].address) == port &&
            (f->d->places[i].listener->offers & OFFERS_RTMP) != 0)
            l = f->d->places[i].listener;
    if (l != NULL)
        doctor_ok(f->d, check, f->path, "says rtmps.port = %s, which is [%s]", value,
                  l->section.name);
    else
        doctor_warning(f->d, check, f->path, to_set,
                       "says rtmps.port = %s, where no listener offers RTMP; OpenMeetings 4.0 "
                       "sends browsers there",
                       value);
}

/* ---- the file ---- */

/* All of a small regular file, and a NUL. NULL with errno. */
static char *read_text(const char *path)
{
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    char *text = fd >= 0 ? calloc(1, FILE_BYTES_MAX + 1) : NULL;
    struct stat st;
    ssize_t n = -1;
    size_t have = 0;

    if (text != NULL && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
        while (have < FILE_BYTES_MAX && (n = read(fd, text + have, FILE_BYTES_MAX - have)) > 0)
            have += (size_t)n;
    else if (text != NULL)
        errno = EINVAL;
    if (fd >= 0)
        (void)close(fd);
    if (n >= 0)
        return text;
    free(text);
    return NULL;
}

void doctor_check_properties(struct doctor *d)
{
    struct file f = { .d = d };
    char *path = NULL;
    char *text;

    if (d->red5 == NULL)
        return;
    if (asprintf(&path, "%s/conf/red5.properties", d->red5) < 0) {
        d->findings.is_incomplete = true;
        return;
    }
    text = read_text(path);
    if (text == NULL) {
        doctor_fault(d, check, path, "name Red5's folder, the one that has conf/",
                     "cannot be read: %s", strerror(errno));
    } else {
        f.path = path;
        f.text = text;
        check_host(&f, "rtmp.host");
        check_host(&f, "http.host");
        check_backend_port(&f, "rtmp.port", PROTOCOL_RTMP);
        check_backend_port(&f, "http.port", PROTOCOL_HTTP);
        check_public_port(&f);
    }
    free(text);
    free(path);
}
