#include "tls/file.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A file that grew since it was measured is read as far as it was measured. */
static int read_all(struct file *file, int fd, struct error *err)
{
    size_t done = 0;

    while (done < file->size) {
        ssize_t n = read(fd, file->bytes + done, file->size - done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_set(err, "%s cannot be read: %s", file->path, strerror(errno));
        if (n == 0)
            break;
        done += (size_t)n;
    }
    file->size = done;
    return 0;
}

/* A pipe would keep us waiting, a directory would give strange errors. */
static int read_regular(struct file *file, int fd, struct error *err)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return error_set(err, "%s cannot be read: %s", file->path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return error_set(err, "%s is no regular file", file->path);
    if (st.st_size > FILE_BYTES_MAX)
        return error_set(err, "%s is larger than 1 MiB, too large for certificates and keys",
                         file->path);
    file->is_open = (st.st_mode & S_IROTH) != 0;
    file->size = (size_t)st.st_size;
    file->bytes = OPENSSL_zalloc(file->size + 1);
    if (file->bytes == NULL)
        return error_set(err, "memory has run out");
    return read_all(file, fd, err);
}

int file_read(struct file *file, const char *path, struct error *err)
{
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    int rc;

    *file = (struct file){ .path = path };
    if (fd < 0)
        return error_set(err, "%s cannot be read: %s", path, strerror(errno));
    rc = read_regular(file, fd, err);
    (void)close(fd);
    if (rc < 0)
        file_wipe(file);
    return rc;
}

static size_t without_line_end(const struct file *file)
{
    size_t n = file->size;

    if (n > 0 && file->bytes[n - 1] == '\n')
        n--;
    if (n > 0 && n < file->size && file->bytes[n - 1] == '\r')
        n--;
    return n;
}

static int judge_password(const struct file *file, size_t n, struct error *err)
{
    if (file_check_private(file, err) < 0)
        return -1;
    if (n == 0)
        return error_set(err, "%s is empty; it must hold the password", file->path);
    if (memchr(file->bytes, '\0', n) != NULL || memchr(file->bytes, '\n', n) != NULL)
        return error_set(err, "%s has more than one line; it must hold the password alone",
                         file->path);
    return 0;
}

int file_read_password(struct file *file, const char *path, struct error *err)
{
    size_t n;

    if (file_read(file, path, err) < 0)
        return -1;
    n = without_line_end(file);
    if (judge_password(file, n, err) < 0) {
        file_wipe(file);
        return -1;
    }
    file->bytes[n] = '\0';
    file->size = n;
    return 0;
}

int file_check_private(const struct file *file, struct error *err)
{
    if (!file->is_open)
        return 0;
    return error_set(err,
                     "%s can be read by everybody; chmod o-r it, and renew what is in it if others "
                     "had access",
                     file->path);
}

void file_wipe(struct file *file)
{
    OPENSSL_clear_free(file->bytes, file->bytes != NULL ? file->size + 1 : 0);
    file->bytes = NULL;
    file->size = 0;
}

int file_give_password(char *out, int size, int is_writing, void *user)
{
    const struct file *password = user;

    (void)is_writing;
    if (password == NULL || password->size > (size_t)size)
        return -1;
    memcpy(out, password->bytes, password->size);
    return (int)password->size;
}

const char *file_java_format(const struct file *file)
{
    static const struct {
        unsigned char magic[4];
        const char *format;
    } rows[] = {
        { { 0xFE, 0xED, 0xFE, 0xED }, "a Java keystore (JKS)" },
        { { 0xCE, 0xCE, 0xCE, 0xCE }, "a Java keystore (JCEKS)" },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (file->size > sizeof(rows[i].magic) &&
            memcmp(file->bytes, rows[i].magic, sizeof(rows[i].magic)) == 0)
            return rows[i].format;
    return NULL;
}
