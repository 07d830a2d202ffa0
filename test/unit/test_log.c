#include "test/unit/unit.h"

#include "base/log.h"

#include <fcntl.h>
#include <regex.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define TIME "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z "

enum {
    ENOUGH_BYTES = 8192,
};

static void escape(void **state)
{
    static const struct {
        const char *name, *text;
        size_t size;
        const char *expected;
    } rows[] = {
        { "a word", "cam.example.org", 64, "cam.example.org" },
        { "nothing", "", 64, "" },
        { "room for nothing", "abc", 1, "" },
        { "just enough room", "abc", 4, "abc" },
        { "one byte short", "abc", 3, "ab" },
        { "space", "a b", 64, "a\\x20b" },
        { "line end", "a\nb\r", 64, "a\\x0ab\\x0d" },
        { "quote, backslash, equals sign", "\"\\=", 64, "\\x22\\x5c\\x3d" },
        { "control bytes", "\x01\x1b[0m\x7f", 64, "\\x01\\x1b[0m\\x7f" },
        { "bytes over ASCII", "\x80\xc3\xbc\xff", 64, "\\x80\\xc3\\xbc\\xff" },
        { "an escape that just fits", "a b", 6, "a\\x20" },
        { "an escape is not cut", "a b", 5, "a" },
        { "what is behind the cut does not move up", "ab cd", 6, "ab" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        char *out = malloc(rows[i].size); /* AddressSanitizer watches its end */

        row_assert(&rows[i], log_escape(rows[i].text, out, rows[i].size) == out);
        row_assert_string(&rows[i], out, rows[i].expected);
        free(out);
    }
}

static void escape_leaves_one_word(void **state)
{
    char out[8];

    (void)state;
    for (int byte = 1; byte < 256; byte++) {
        const char text[] = { (char)byte, '\0' };

        (void)log_escape(text, out, sizeof(out));
        assert_true(*out != '\0');
        for (const char *p = out; *p != '\0'; p++)
            assert_true(*p > ' ' && *p <= '~' && *p != '"' && *p != '=');
    }
}

/* Standard error goes into `fd` until restore_stderr(); no assertion between
 * the two, since cmocka speaks there. */
static int saved_stderr;

static void redirect_stderr(int fd)
{
    saved_stderr = dup(STDERR_FILENO);
    (void)dup2(fd, STDERR_FILENO);
}

static void restore_stderr(void)
{
    (void)dup2(saved_stderr, STDERR_FILENO);
    (void)close(saved_stderr);
}

static void assert_matches(const char *text, const char *pattern)
{
    regex_t regex;
    int rc;

    assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
    rc = regexec(&regex, text, 0, NULL, 0);
    regfree(&regex);
    if (rc != 0)
        fail_msg("this does not match %s:\n%s", pattern, text);
}

#define OURS "standard error's"

/* JOURNAL_STREAM as systemd sets it for standard error, or as `name` says. */
static void set_journal(const char *name, int standard_error)
{
    char text[64];
    struct stat st;

    if (name == NULL) {
        (void)unsetenv("JOURNAL_STREAM");
        return;
    }
    assert_int_equal(fstat(standard_error, &st), 0);
    (void)snprintf(text, sizeof(text), "%llu:%llu", (unsigned long long)st.st_dev,
                   (unsigned long long)st.st_ino);
    (void)setenv("JOURNAL_STREAM", strcmp(name, OURS) == 0 ? text : name, 1);
}

/* What fd has, without waiting. */
static const char *receive(int fd)
{
    static char text[ENOUGH_BYTES];
    ssize_t n = read(fd, text, sizeof(text) - 1);

    text[n > 0 ? n : 0] = '\0';
    return text;
}

static void lines(void **state)
{
    static char long_text[4000];
    static const struct {
        const char *name;
        enum log_level highest, level;
        const char *journal, *text, *pattern; /* of what is written; "^$": nothing */
    } rows[] = {
        { "error", LOG_DEBUG, LOG_ERROR, NULL, "a b", TIME "error a b\n$" },
        { "warn", LOG_DEBUG, LOG_WARN, NULL, "a b", TIME "warn a b\n$" },
        { "info", LOG_DEBUG, LOG_INFO, NULL, "a b", TIME "info a b\n$" },
        { "debug", LOG_DEBUG, LOG_DEBUG, NULL, "a b", TIME "debug a b\n$" },
        { "the highest level that is on", LOG_INFO, LOG_INFO, NULL, "a", TIME "info a\n$" },
        { "the lowest that is off", LOG_INFO, LOG_DEBUG, NULL, "a", "^$" },
        { "errors are always on", LOG_ERROR, LOG_ERROR, NULL, "a", TIME "error a\n$" },
        { "the journal has its own clock", LOG_INFO, LOG_INFO, OURS, "a", "^info a\n$" },
        { "a journal that is not ours", LOG_INFO, LOG_INFO, "8:1234", "a", TIME "info a\n$" },
        { "no journal's name", LOG_INFO, LOG_INFO, "8", "a", TIME "info a\n$" },
        { "no text", LOG_INFO, LOG_INFO, NULL, "", TIME "info \n$" },
        { "a long text is cut", LOG_INFO, LOG_INFO, NULL, long_text, TIME "info x+\n$" },
    };

    (void)state;
    memset(long_text, 'x', sizeof(long_text) - 1);
    for (size_t i = 0; i < COUNT(rows); i++) {
        const char *line;
        int ends[2]; /* one write is one packet */

        row_assert_int(&rows[i], socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, ends), 0);
        set_journal(rows[i].journal, ends[0]);
        log_set_level(rows[i].highest);

        redirect_stderr(ends[0]);
        log_line(rows[i].level, "%s", rows[i].text);
        restore_stderr();

        line = receive(ends[1]);
        row_assert(&rows[i], strlen(line) <= 2048);
        assert_matches(line, rows[i].pattern);
        row_assert_string(&rows[i], receive(ends[1]), "");
        row_assert_int(&rows[i], log_is_on(rows[i].level), rows[i].level <= rows[i].highest);
        (void)close(ends[0]);
        (void)close(ends[1]);
    }
    log_set_level(LOG_INFO);
}

/* A blocking pipe that has no room. */
static void make_full_pipe(int ends[2])
{
    char page[4096] = "";
    int flags;

    assert_int_equal(pipe(ends), 0);
    flags = fcntl(ends[1], F_GETFL);
    assert_int_equal(fcntl(ends[1], F_SETFL, flags | O_NONBLOCK), 0);
    while (write(ends[1], page, sizeof(page)) > 0)
        continue;
    assert_int_equal(fcntl(ends[1], F_SETFL, flags), 0);
    assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
}

static void a_full_pipe_drops_and_counts(void **state)
{
    char pipe_bytes[4096];
    const char *text;
    int ends[2];

    (void)state;
    (void)unsetenv("JOURNAL_STREAM");
    make_full_pipe(ends);

    redirect_stderr(ends[1]);
    for (int i = 0; i < 3; i++)
        log_info("lost");
    while (read(ends[0], pipe_bytes, sizeof(pipe_bytes)) > 0)
        continue;
    log_info("kept");
    log_info("also kept");
    restore_stderr();

    text = receive(ends[0]);
    assert_matches(text, "3 log lines were lost: standard error was full\n"
                         "[^\n]* info kept\n[^\n]* info also kept\n$");
    assert_matches(text, TIME "warn 3 ");
    (void)close(ends[0]);
    (void)close(ends[1]);
}

static void a_reader_that_is_gone_ends_nothing(void **state)
{
    const char *text;
    int gone[2], ends[2];

    (void)state;
    (void)signal(SIGPIPE, SIG_IGN); /* as the program does */
    assert_int_equal(pipe(gone), 0);
    assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
    (void)close(gone[0]);

    redirect_stderr(gone[1]);
    log_info("lost");
    (void)dup2(ends[1], STDERR_FILENO);
    log_info("kept");
    restore_stderr();

    text = receive(ends[0]);
    assert_matches(text, "warn 1 log lines? w[a-z]+ lost");
    assert_matches(text, " info kept\n$");
    (void)close(gone[1]);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

/* A shell opens a file, and the program it starts writes there; what the shell says then comes
 * behind it. The last test: the log stays open. */
static void a_file_is_shared(void **state)
{
    char text[512] = "";
    FILE *file = tmpfile();
    int fd;

    (void)state;
    assert_non_null(file);
    fd = fileno(file);
    assert_int_equal(write(fd, "before\n", 7), 7);
    redirect_stderr(fd);
    log_open();
    log_info("ours");
    restore_stderr();
    assert_int_equal(write(fd, "behind\n", 7), 7);

    assert_true(pread(fd, text, sizeof(text) - 1, 0) > 0);
    assert_matches(text, "^before\n.* info ours\nbehind\n$");
    (void)fclose(file);
}

/* A line that a full disk cut off does not run into the next one. */
static void a_full_disk_costs_whole_lines(void **state)
{
    char text[1024] = "";
    FILE *file = tmpfile();
    struct rlimit before, full;
    int fd;

    (void)state;
    assert_non_null(file);
    fd = fileno(file);
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    full = (struct rlimit){ .rlim_cur = 10, .rlim_max = before.rlim_max };
    redirect_stderr(fd);
    log_open();
    (void)setrlimit(RLIMIT_FSIZE, &full);
    log_info("cut off");
    log_info("lost");
    (void)setrlimit(RLIMIT_FSIZE, &before);
    log_info("kept");
    restore_stderr();

    assert_true(pread(fd, text, sizeof(text) - 1, 0) > 0);
    assert_int_equal(text[10], '\n');
    assert_matches(text, "\n[^\n]* warn 2 log lines were lost[^\n]*\n[^\n]* info kept\n$");
    (void)fclose(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(escape),
        cmocka_unit_test(escape_leaves_one_word),
        cmocka_unit_test(lines),
        cmocka_unit_test(a_full_pipe_drops_and_counts),
        cmocka_unit_test(a_reader_that_is_gone_ends_nothing),
        cmocka_unit_test(a_file_is_shared),
        cmocka_unit_test(a_full_disk_costs_whole_lines),
    };

    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
