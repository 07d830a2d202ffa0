/* main.c - the command line. */
#include "http/agree.h"
#include "proxy/doctor.h"
#include "proxy/exit.h"
#include "proxy/master.h"
#include "tls/tls.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#ifndef VERSION
#define VERSION "unknown"
#endif

static const char usage[] =
    "usage: red5-tls-proxy -c FILE        serve what FILE, a proxy.ini, describes\n"
    "       red5-tls-proxy -t -c FILE     check FILE and all it names, print the set-up in effect\n"
    "       red5-tls-proxy doctor -c FILE [--json] [DIR]\n"
    "                                     try that set-up from outside in; --help says more\n"
    "       red5-tls-proxy -V             print versions\n"
    "       red5-tls-proxy -h             print this help\n"
    "\n"
    "Runs in the foreground and logs to standard error. TERM ends it with its last\n"
    "session, INT at once. Exit codes: 0 done, 1 bad configuration, 2 bad usage,\n"
    "3 cannot start.\n";

static enum exit_code refuse(void)
{
    (void)fputs(usage, stderr);
    return EXIT_USAGE;
}

static enum exit_code print_version(void)
{
    (void)printf("red5-tls-proxy %s\n%s\nlibuv %s\n%s\n", VERSION, tls_library_version(),
                 uv_version_string(), agree_library_version());
    return EXIT_DONE;
}

/* A descriptor below 3 that is free would be a socket's next, and a socket's
 * reader would be told what is meant for standard error. */
static void fill_standard_descriptors(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        (void)close(fd);
}

int main(int argc, char **argv)
{
    const char *config_path = NULL;
    bool is_check = false;
    int option;

    fill_standard_descriptors();
    tls_setup();
    if (argc > 1 && strcmp(argv[1], "doctor") == 0)
        return (int)doctor_main(argc - 1, argv + 1);
    while ((option = getopt(argc, argv, "c:tVh")) != -1) {
        switch (option) {
        case 'c':
            config_path = optarg;
            break;
        case 't':
            is_check = true;
            break;
        case 'V':
            return (int)print_version();
        case 'h':
            (void)fputs(usage, stdout);
            return EXIT_DONE;
        default:
            return (int)refuse();
        }
    }
    if (config_path == NULL || optind != argc)
        return (int)refuse();
    return (int)(is_check ? master_check(config_path) : master_run(config_path));
}
