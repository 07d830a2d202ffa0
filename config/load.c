/* load.c - proxy.ini's lines, through inih, into sections of texts.
 *
 * Debian's inih is built with fixed limits and says little: it gives the
 * handler no line number, cuts lines over 199 bytes and section names over 49
 * in silence, joins an indented line to the key above, takes "key: value" for
 * "key = value", and reports only the first line it cannot read. So the file
 * is read by a reader of our own (ini_parse_stream), which counts lines, sees
 * each before inih does and refuses what inih would bend:
 *
 *    getline -> read_line: count, judge, note a section -> inih -> on_pair: note a key
 *
 * A refused line reaches inih as an empty one.
 */
#include "config/check.h"
#include "config/options.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { INI_LINE_BYTES = 199 }; /* INI_MAX_LINE less the NUL; the newline counts */

struct loader {
    FILE *file;
    struct config *config;
    struct complaints *complaints;
    char *text; /* getline's */
    size_t text_bytes;
    int line;
    struct section *section; /* where keys go; NULL: nowhere, they were complained of */
    const char *kind;        /* of that section */
    bool has_section;        /* a header was seen, good or bad */
    bool has_key;            /* in this section, so an indented line continues it */
    bool is_continuation;    /* the line at hand */
};

static const char blank_line[] = "\n";

/* A new element at the end of an array of structs that start with a section. */
static struct section *append(void *array, size_t *count, size_t bytes)
{
    void **base = array;
    char *grown = realloc(*base, (*count + 1) * bytes);

    if (grown == NULL)
        return NULL;
    *base = grown;
    memset(grown + *count * bytes, 0, bytes);
    return (void *)(grown + (*count)++ * bytes);
}

/* inih leaves a comment behind an indented line where it is. */
static void cut_comment(char *text)
{
    for (char *p = text; (p = strchr(p, ';')) != NULL; p++)
        if (p > text && isspace((unsigned char)p[-1])) {
            *p = '\0';
            return;
        }
}

static const char *const kinds[] = { "proxy", "certificate", "listener" };

/* Adding a section may move its array, and with it the one noted before. */
static struct section *add_section(struct config *config, const char *kind, const char *name,
                                   int line)
{
    struct section *s;

    if (strcmp(kind, "proxy") == 0)
        s = &config->proxy.section;
    else if (strcmp(kind, "certificate") == 0)
        s = append(&config->certificates, &config->certificate_count,
                   sizeof(*config->certificates));
    else
        s = append(&config->listeners, &config->listener_count, sizeof(*config->listeners));
    if (s == NULL)
        return NULL;
    (void)snprintf(s->name, sizeof(s->name), "%s", name);
    s->line = line;
    return s;
}

static const struct section *find_section(const struct config *config, const char *name)
{
    if (strcmp(config->proxy.section.name, name) == 0)
        return &config->proxy.section;
    for (size_t i = 0; i < config->certificate_count; i++)
        if (strcmp(config->certificates[i].section.name, name) == 0)
            return &config->certificates[i].section;
    for (size_t i = 0; i < config->listener_count; i++)
        if (strcmp(config->listeners[i].section.name, name) == 0)
            return &config->listeners[i].section;
    return NULL;
}

/* "listener rtmps" -> "listener", if it is a kind and has, or has not, a name
 * as it should. */
static const char *kind_of(const char *name)
{
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        size_t n = strlen(kinds[i]);
        bool wants_name = i > 0;

        if (strncmp(name, kinds[i], n) != 0)
            continue;
        if (!wants_name && name[n] == '\0')
            return kinds[i];
        if (wants_name && name[n] == ' ' && name[n + 1] != ' ' && name[n + 1] != '\0' &&
            strpbrk(name + n + 1, " \t") == NULL)
            return kinds[i];
    }
    return NULL;
}

static void start_section(struct loader *l, const char *name)
{
    const struct section *earlier = find_section(l->config, name);

    l->has_section = true;
    l->has_key = false;
    l->section = NULL;
    l->kind = kind_of(name);
    if (l->kind == NULL)
        complain(l->complaints, l->line, NULL, NULL,
                 "[%s] is no section; write [proxy], [certificate NAME] or [listener NAME]", name);
    else if (earlier != NULL)
        complain(l->complaints, l->line, name, NULL, "was begun before, at line %d", earlier->line);
    else if ((l->section = add_section(l->config, l->kind, name, l->line)) == NULL)
        complain(l->complaints, l->line, name, NULL, "memory has run out");
}

/* `text` starts with '['. */
static const char *judge_header(struct loader *l, const char *text)
{
    const char *end = strchr(text, ']');
    char name[CONFIG_NAME_BYTES];
    size_t n;

    l->section = NULL;
    l->has_section = true;
    if (end == NULL) {
        complain(l->complaints, l->line, NULL, NULL, "a section needs a closing bracket");
        return blank_line;
    }
    n = (size_t)(end - text) - 1;
    if (n >= sizeof(name)) {
        complain(l->complaints, l->line, NULL, NULL,
                 "the section name is too long: %zu characters, at most %zu are read", n,
                 sizeof(name) - 1);
        return blank_line;
    }
    memcpy(name, text + 1, n);
    name[n] = '\0';
    end++;
    end += strspn(end, " \t");
    if (*end != '\0' && *end != ';' && *end != '#')
        complain(l->complaints, l->line, name, NULL, "\"%.40s\" behind the section is not read",
                 end);
    start_section(l, name);
    return l->text;
}

/* "listen = ..." in a section where that is a key. */
static bool is_key(const struct loader *l, const char *text)
{
    char key[32];
    size_t n = strcspn(text, " \t=");

    if (l->section == NULL || n >= sizeof(key) || text[n + strspn(text + n, " \t")] != '=')
        return false;
    memcpy(key, text, n);
    key[n] = '\0';
    return option_find(l->kind, key) >= 0;
}

/* Whether inih reads the line as we do; returns the line it shall see. */
static const char *judge_line(struct loader *l, size_t n)
{
    const char *text = l->text + strspn(l->text, " \t");
    bool is_indented = text != l->text;

    l->is_continuation = false;
    if (strlen(l->text) != n || strchr(l->text, '\r') != NULL) {
        complain(l->complaints, l->line, NULL, NULL,
                 "the line has a NUL or carriage return; save the file with plain line ends");
        return blank_line;
    }
    if (*text == '\0' || *text == ';' || *text == '#')
        return l->text;
    if (n >= INI_LINE_BYTES) {
        complain(l->complaints, l->line, NULL, NULL,
                 "the line is too long: %zu characters, at most %d are read", n,
                 INI_LINE_BYTES - 1);
        return blank_line;
    }
    if (is_indented && l->has_key && is_key(l, text)) {
        complain(l->complaints, l->line, NULL, NULL,
                 "is indented, and so would go on with the key above; begin it at the left margin");
        return blank_line;
    }
    if (is_indented && l->has_key) {
        l->is_continuation = true;
        cut_comment(l->text);
        return l->text;
    }
    if (*text == '[')
        return judge_header(l, text);
    if (!l->has_section || text[strcspn(text, "=:")] != '=') {
        complain(l->complaints, l->line, NULL, NULL,
                 l->has_section ? "is neither a section, a comment nor of the form key = value"
                                : "stands before the first section");
        return blank_line;
    }
    return l->text;
}

/* fgets for inih, a line at a time. */
static char *read_line(char *out, int out_bytes, void *stream)
{
    struct loader *l = stream;
    ssize_t n = getline(&l->text, &l->text_bytes, l->file);
    const char *line;

    if (n < 0)
        return NULL;
    l->line++;
    if (n > 0 && l->text[n - 1] == '\n')
        l->text[--n] = '\0';
    if (n > 0 && l->text[n - 1] == '\r')
        l->text[--n] = '\0';
    if (l->line == 1 && strncmp(l->text, "\xEF\xBB\xBF", 3) == 0) /* a byte order mark */
        memmove(l->text, l->text + 3, (size_t)(n -= 3) + 1);

    line = judge_line(l, (size_t)n);
    (void)snprintf(out, (size_t)out_bytes, "%s", n >= INI_LINE_BYTES ? blank_line : line);
    return out;
}

static void note_value(struct loader *l, size_t row, const char *value)
{
    struct section *s = l->section;
    char *joined;

    if (s->settings[row].text == NULL) {
        s->settings[row].line = l->line;
        joined = strdup(value);
    } else if (asprintf(&joined, "%s %s", s->settings[row].text, value) < 0) {
        joined = NULL;
    }
    if (joined == NULL) {
        complain(l->complaints, l->line, s->name, options[row].key, "memory has run out");
        return;
    }
    free(s->settings[row].text);
    s->settings[row].text = joined;
}

/* inih's handler: a key and its value, or a line that continues one. */
static int on_pair(void *user, const char *section, const char *key, const char *value)
{
    struct loader *l = user;
    int row;

    (void)section;
    l->has_key = true;
    if (l->section == NULL)
        return 1; /* the section was complained of */

    row = option_find(l->kind, key);
    if (row < 0)
        complain(l->complaints, l->line, l->section->name, NULL, "\"%s\" is no key of [%s]", key,
                 l->kind);
    else if (l->is_continuation && options[row].type != OPT_WORDS)
        complain(l->complaints, l->line, l->section->name, key,
                 "has one value; an indented line cannot go on with it");
    else if (!l->is_continuation && l->section->settings[row].text != NULL)
        complain(l->complaints, l->line, l->section->name, key, "was given before, at line %d",
                 l->section->settings[row].line);
    else if (*value == '\0' && options[row].type != OPT_WORDS)
        complain(l->complaints, l->line, l->section->name, key, "has no value");
    else
        note_value(l, (size_t)row, value);
    return 1;
}

/* The master reads the file while it serves: opening a pipe would keep it waiting. */
static FILE *open_file(const char *path, struct complaints *c)
{
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    bool is_regular = true;
    FILE *file = NULL;
    struct stat st;

    if (fd >= 0 && fstat(fd, &st) == 0) {
        is_regular = S_ISREG(st.st_mode);
        file = is_regular ? fdopen(fd, "r") : NULL;
    }
    if (!is_regular)
        complain(c, 0, NULL, NULL, "is no regular file");
    else if (file == NULL)
        complain(c, 0, NULL, NULL, "cannot be read: %s", strerror(errno));
    if (fd >= 0 && file == NULL)
        (void)close(fd);
    return file;
}

static int read_file(struct config *config, const char *path, struct complaints *c)
{
    struct loader l = { .config = config, .complaints = c };

    l.file = open_file(path, c);
    if (l.file == NULL)
        return -1;
    (void)ini_parse_stream(read_line, &l, on_pair, &l);
    if (ferror(l.file))
        complain(c, 0, NULL, NULL, "cannot be read: %s", strerror(errno));
    (void)fclose(l.file);
    free(l.text);
    return 0;
}

static void set_default(struct section *s, const char *key, const char *text)
{
    int row = option_find("listener", key);

    s->settings[row].text = strdup(text);
}

/* No [listener] at all: the two that stand in front of an OpenMeetings. */
static void add_default_listeners(struct config *config, struct complaints *c)
{
    static const struct {
        const char *name;
        const char *listen;
    } rows[] = { { "listener https", "*:5443" }, { "listener rtmps", "*:8443" } };
    bool has_screen = find_section(config, "certificate screen") != NULL;

    if (config->listener_count > 0)
        return;
    if (find_section(config, "certificate main") == NULL) {
        complain(c, 0, NULL, NULL,
                 "has no [certificate main]; write one with chain and key, or write listeners "
                 "that use others");
        return;
    }
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct section *s = add_section(config, "listener", rows[i].name, 0);

        if (s == NULL)
            return;
        set_default(s, "listen", rows[i].listen);
        set_default(s, "certificates", i > 0 && has_screen ? "main screen" : "main");
        set_default(s, "http_backend", "127.0.0.1:5080");
        set_default(s, "rtmp_backend", "127.0.0.1:1935");
    }
}

/* The arrays do not grow any more: texts become fields. */
static void apply(struct config *config, struct complaints *c)
{
    options_apply("proxy", &config->proxy.section, config->directory, c);
    for (size_t i = 0; i < config->certificate_count; i++) {
        struct certificate_config *cert = &config->certificates[i];

        cert->name = strchr(cert->section.name, ' ') + 1;
        options_apply("certificate", &cert->section, config->directory, c);
    }
    for (size_t i = 0; i < config->listener_count; i++) {
        struct listener_config *l = &config->listeners[i];

        l->name = strchr(l->section.name, ' ') + 1;
        options_apply("listener", &l->section, config->directory, c);
    }
}

struct config *config_load(const char *path, struct complaints *c)
{
    struct config *config = calloc(1, sizeof(*config));
    const char *slash = strrchr(path, '/');
    size_t directory_bytes = slash != NULL ? (size_t)(slash - path) + 1 : 0;

    c->file = path;
    if (config == NULL || (config->directory = strndup(path, directory_bytes)) == NULL) {
        complain(c, 0, NULL, NULL, "memory has run out");
        free(config);
        return NULL;
    }
    config->owners = 1;

    if (read_file(config, path, c) < 0) {
        config_free(config);
        return NULL;
    }
    add_default_listeners(config, c);
    apply(config, c);
    config_check(config, c);
    return config;
}

struct config *config_share(struct config *config)
{
    config->owners++;
    return config;
}

void config_free(struct config *config)
{
    if (config == NULL || --config->owners > 0)
        return;
    options_free("proxy", &config->proxy.section);
    for (size_t i = 0; i < config->certificate_count; i++)
        options_free("certificate", &config->certificates[i].section);
    for (size_t i = 0; i < config->listener_count; i++) {
        options_free("listener", &config->listeners[i].section);
        free(config->listeners[i].certificate_indices);
    }
    free(config->certificates);
    free(config->listeners);
    free(config->directory);
    free(config);
}
