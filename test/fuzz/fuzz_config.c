/* fuzz_config.c - any proxy.ini: read, complained about, printed and read again. */
#include "test/fuzz/fuzz.h"

#include "config/complaint.h"
#include "config/config.h"

#include <netdb.h>
#include <sys/mman.h>
#include <unistd.h>

/* In place of libc's: names are not looked up. */
int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **found)
{
    (void)name;
    (void)service;
    (void)hints;
    (void)found;
    return EAI_NONAME;
}

static void be_silent(const char *line)
{
    must(line[0] != '\0');
}

static struct config *load(const void *bytes, size_t len, struct complaints *c)
{
    static char path[32];
    struct config *config;
    int fd = memfd_create("proxy.ini", MFD_CLOEXEC);

    must(fd >= 0 && write(fd, bytes, len) == (ssize_t)len);
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    *c = (struct complaints){ .report = be_silent };
    config = config_load(path, c);
    must(config != NULL || c->errors > 0);
    (void)close(fd);
    return config;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct complaints c;
    struct config *config = load(data, len, &c), *again;
    char *text = NULL;
    size_t text_bytes = 0;
    FILE *out;

    if (config != NULL && c.errors == 0) {
        out = open_memstream(&text, &text_bytes);
        must(out != NULL);
        config_print(config, out);
        must(fclose(out) == 0);
        again = load(text, text_bytes, &c);
        must(c.errors == 0);
        config_free(again);
        free(text);
    }
    config_free(config);
    return 0;
}
