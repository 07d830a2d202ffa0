/* file.h - a file as a whole: certificates, keys, passwords. For tls/ only.
 *
 * Files are small and are read once, before anything of them is judged, so
 * that what was judged is what is used. All are treated as secrets: they are
 * overwritten before their memory is given back.
 */
#ifndef TLS_FILE_H
#define TLS_FILE_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

enum { FILE_BYTES_MAX = 1024 * 1024 };

struct file {
    const char *path;     /* borrowed */
    unsigned char *bytes; /* owned; a NUL stands behind them */
    size_t size;
    bool is_open; /* to everybody who has an account here */
};

/* Read a regular file of at most FILE_BYTES_MAX. */
int file_read(struct file *file, const char *path, struct error *err);

/* Read a password: a file that others cannot read, not empty. One line end
 * behind it does not count. */
int file_read_password(struct file *file, const char *path, struct error *err);

/* Refuse a file that everybody can read. */
int file_check_private(const struct file *file, struct error *err);

/* Overwrite and free; a file that was not read may be zeroed. */
void file_wipe(struct file *file);

/* A pem_password_cb; `user` is a struct file, or NULL: there is none, and nobody
 * is asked on a terminal. */
int file_give_password(char *out, int size, int is_writing, void *user);

/* "a Java keystore (JKS)", where the first bytes say so; else NULL. */
const char *file_java_format(const struct file *file);

#endif
