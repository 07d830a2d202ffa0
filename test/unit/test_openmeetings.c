#include "test/unit/guarded.h"
#include "test/unit/unit.h"

#include "http/openmeetings.h"

/* ---- Origin and Referer ---- */

static const struct origin_row {
    const char *name;
    const char *value;
    const char *host;
    enum origin_fate fate;
} origins[] = {
    { "ours", "https://h:5443", "h:5443", ORIGIN_OURS },
    { "ours, in other letters", "HTTPS://Cam.Example.ORG:5443", "cam.example.org:5443",
      ORIGIN_OURS },
    { "ours on the default port", "https://h", "h", ORIGIN_OURS },
    { "ours, the default port written here", "https://h:443", "h", ORIGIN_OURS },
    { "ours, the default port written there", "https://h", "h:443", ORIGIN_OURS },
    { "ours, IPv6", "https://[2001:db8::1]:5443", "[2001:DB8::1]:5443", ORIGIN_OURS },
    { "a referer of ours", "https://h:5443/openmeetings/?a=b#c", "h:5443", ORIGIN_OURS },
    { "a referer of ours without a path", "https://h:5443?a", "h:5443", ORIGIN_OURS },
    { "another port", "https://h:8443", "h:5443", ORIGIN_KEPT },
    { "another port that is the default", "https://h", "h:5443", ORIGIN_KEPT },
    { "the default port of http", "https://h:80", "h", ORIGIN_KEPT },
    { "port 80 with TLS", "https://h:80", "h:80", ORIGIN_OURS },
    { "the default port is not 80", "https://h", "h:80", ORIGIN_KEPT },
    { "another host", "https://evil.example", "h", ORIGIN_KEPT },
    { "a longer host", "https://h.evil.example:5443", "h:5443", ORIGIN_KEPT },
    { "a shorter host", "https://example.org", "cam.example.org", ORIGIN_KEPT },
    { "a port that is none", "https://h:5443x", "h:5443", ORIGIN_KEPT },
    { "a port beyond 16 bits", "https://h:70979", "h:5443", ORIGIN_KEPT },
    { "a port beyond 32 bits", "https://h:4294972739", "h:5443", ORIGIN_KEPT },
    { "user info", "https://h:5443@evil.example", "h:5443", ORIGIN_KEPT },
    { "our name behind user info", "https://u@h:5443", "h:5443", ORIGIN_KEPT },
    { "a backslash", "https://h:5443\\@evil.example", "h:5443", ORIGIN_KEPT },
    { "a bracket that stays open", "https://[::1", "h", ORIGIN_KEPT },
    { "null", "null", "h", ORIGIN_KEPT },
    { "nothing", "", "h", ORIGIN_KEPT },
    { "a scheme alone", "https://", "h", ORIGIN_KEPT },
    { "half a scheme", "https:/", "h", ORIGIN_KEPT },
    { "a list of origins", "https://h https://evil.example", "h", ORIGIN_KEPT },
    { "port 0 is no default", "https://h:0", "h", ORIGIN_KEPT },
    { "no Host", "https://h", "", ORIGIN_KEPT },
    { "neither", "https://", "", ORIGIN_KEPT },
    { "forged", "http://h:5443", "h:5443", ORIGIN_FORGED },
    { "forged, in other letters", "HtTp://H:5443", "h:5443", ORIGIN_FORGED },
    { "forged, in other digits", "http://h:05443", "h:5443", ORIGIN_FORGED },
    { "forged, default port", "http://h", "h", ORIGIN_FORGED },
    { "forged, default port written", "http://h:80", "h", ORIGIN_FORGED },
    { "forged, empty port", "http://h:", "h", ORIGIN_FORGED },
    { "forged by a referer", "http://h:5443/page", "h:5443", ORIGIN_FORGED },
    { "forged, with user info", "http://a@b@h:5443/page", "h:5443", ORIGIN_FORGED },
    { "plain http elsewhere", "http://h:5080", "h:5443", ORIGIN_KEPT },
    { "plain http on the host's port 80", "http://h", "h:5443", ORIGIN_KEPT },
    { "another scheme", "ftp://h", "h", ORIGIN_KEPT },
};

static void origins_are_judged(void **state)
{
    (void)state;
    for (const struct origin_row *row = origins; row < origins + COUNT(origins); row++) {
        struct span value = { guarded_copy(row->value, strlen(row->value)), strlen(row->value) };

        row_assert_int(row, openmeetings_judge_origin(value, span_of(row->host)), row->fate);
        value = span_of(row->value);
        row_assert_int(row,
                       openmeetings_judge_origin(
                           value, (struct span){ guarded_copy(row->host, strlen(row->host)),
                                                 strlen(row->host) }),
                       row->fate);
    }
}

/* ---- which messages ---- */

static const struct path_row {
    const char *name; /* the path */
    bool may_be;
} paths[] = {
    { "/openmeetings/ScreenRequestHandler?sid=1", true },
    { "/openmeetings/ScreenRequestHandler;jsessionid=1?sid=1", true },
    { "/openmeetings/screen.upload", true },
    { "/a.jnlp", true },
    { "/A.JNLP?x", true },
    { "/openmeetings/ScreenRequestHandlers", false },
    { "/openmeetings/NoScreenRequestHandler", false },
    { "/openmeetings/?a.jnlp", false },
    { "/jnlp", false },
    { "*", false },
    { "/", false },
};

static void requests_for_jnlp_are_known_by_their_path(void **state)
{
    (void)state;
    for (const struct path_row *row = paths; row < paths + COUNT(paths); row++) {
        struct head head = {
            .path = { guarded_copy(row->name, strlen(row->name)), strlen(row->name) },
        };

        row_assert_int(row, openmeetings_may_be_jnlp(&head), row->may_be);
    }
}

#define TYPE "HTTP/1.1 200 OK\r\nContent-Type: application/x-java-jnlp-file"
#define END  "\r\n\r\n"

static const struct response_row {
    const char *name;
    const char *head;
    bool is_jnlp;
} responses[] = {
    { "JNLP", TYPE END, true },
    { "with parameters", TYPE " ; charset=utf-8" END, true },
    { "in other letters", "HTTP/1.1 200 OK\r\ncontent-type: Application/X-Java-JNLP-File;a" END,
      true },
    { "identity", TYPE "\r\nContent-Encoding: identity" END, true },
    { "gzip", TYPE "\r\nContent-Encoding: gzip" END, false },
    { "gzip first",
      "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Type: "
      "application/x-java-jnlp-file" END,
      false },
    { "a part", "HTTP/1.1 206 Partial Content\r\nContent-Type: application/x-java-jnlp-file" END,
      false },
    { "an error", "HTTP/1.1 404 Not Found\r\nContent-Type: application/x-java-jnlp-file" END,
      false },
    { "no type", "HTTP/1.1 200 OK" END, false },
    { "another type", "HTTP/1.1 200 OK\r\nContent-Type: text/xml" END, false },
    { "an empty type", "HTTP/1.1 200 OK\r\nContent-Type:" END, false },
    { "a longer type", TYPE "s" END, false },
};

static void responses_with_jnlp_are_known_by_their_type(void **state)
{
    (void)state;
    for (const struct response_row *row = responses; row < responses + COUNT(responses); row++) {
        struct head head;
        size_t size = strlen(row->head);

        row_assert_int(row, head_parse_response(guarded_copy(row->head, size), size, &head),
                       HEAD_OK);
        row_assert_int(row, openmeetings_is_jnlp(&head), row->is_jnlp);
    }
}

/* ---- the codebase ---- */

#define REST "><information/><arg>http://h:5443/a</arg></jnlp>\n"

static const struct jnlp_row {
    const char *name;
    const char *host;
    const char *in;
    const char *out; /* NULL: as it was */
} documents[] = {
    { "of 2.0", "h:5443",
      "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n"
      "<jnlp spec=\"1.0+\" codebase=\"http://h:5443/openmeetings/screen\" >\n"
      "<argument>http://h:5443/</argument></jnlp>",
      "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n"
      "<jnlp spec=\"1.0+\" codebase=\"https://h:5443/openmeetings/screen\" >\n"
      "<argument>http://h:5443/</argument></jnlp>" },
    { "single quotes, spaces", "h:5443", "<jnlp\n\tcodebase = 'http://h:5443/'" REST,
      "<jnlp\n\tcodebase = 'https://h:5443/'" REST },
    { "no path", "h:5443", "<jnlp codebase=\"http://h:5443\"" REST,
      "<jnlp codebase=\"https://h:5443\"" REST },
    { "other letters", "h:5443", "<jnlp codebase=\"HTTP://H:5443/\"" REST,
      "<jnlp codebase=\"HTTPs://H:5443/\"" REST },
    { "a byte order mark", "h", "\xef\xbb\xbf<jnlp codebase=\"http://h/\"" REST,
      "\xef\xbb\xbf<jnlp codebase=\"https://h/\"" REST },
    { "the default port of http goes", "h", "<jnlp codebase=\"http://h:80/a\"" REST,
      "<jnlp codebase=\"https://h/a\"" REST },
    { "so does ours", "h", "<jnlp codebase=\"http://h:443/a\"" REST,
      "<jnlp codebase=\"https://h/a\"" REST },
    { "the default port in the Host", "h:443", "<jnlp codebase=\"http://h/a\"" REST,
      "<jnlp codebase=\"https://h/a\"" REST },
    { "IPv6", "[::1]:5443", "<jnlp codebase=\"http://[::1]:5443/a\"" REST,
      "<jnlp codebase=\"https://[::1]:5443/a\"" REST },
    { "comments and instructions", "h",
      "<?a <jnlp codebase='http://h/'?> <!-- <jnlp codebase='http://h/'> -- >\n-->"
      "<jnlp codebase='http://h/'" REST,
      "<?a <jnlp codebase='http://h/'?> <!-- <jnlp codebase='http://h/'> -- >\n-->"
      "<jnlp codebase='https://h/'" REST },
    { "a document type", "h",
      "<!DOCTYPE jnlp PUBLIC \"-//>\" '>' [ <!ENTITY a \"]>\"> <!-- ]> ' --> <?p ]> '?> ]>"
      "<jnlp codebase='http://h/'" REST,
      "<!DOCTYPE jnlp PUBLIC \"-//>\" '>' [ <!ENTITY a \"]>\"> <!-- ]> ' --> <?p ]> '?> ]>"
      "<jnlp codebase='https://h/'" REST },
    { "attributes around it", "h",
      "<jnlp a='codebase=\"http://h/\"' xcodebase='http://h/' codebase='http://h/' "
      "href='http://h/'" REST,
      "<jnlp a='codebase=\"http://h/\"' xcodebase='http://h/' codebase='https://h/' "
      "href='http://h/'" REST },
    { "https already", "h", "<jnlp codebase='https://h/'" REST, NULL },
    { "another host", "h", "<jnlp codebase='http://hh/'" REST, NULL },
    { "another port", "h:5443", "<jnlp codebase='http://h:5080/'" REST, NULL },
    { "port 0", "h", "<jnlp codebase='http://h:0/'" REST, NULL },
    { "user info", "h", "<jnlp codebase='http://u@h/'" REST, NULL },
    { "TLS on port 80", "h:80", "<jnlp codebase='http://h/'" REST, NULL },
    { "relative", "h", "<jnlp codebase='/openmeetings/'" REST, NULL },
    { "empty", "h", "<jnlp codebase=''" REST, NULL },
    { "no Host", "", "<jnlp codebase='http:///'" REST, NULL },
    { "no codebase", "h", "<jnlp>codebase='http://h/'</jnlp>", NULL },
    { "of another element", "h", "<jnlp><a codebase='http://h/'/></jnlp>", NULL },
    { "of another root", "h", "<jnlps codebase='http://h/'" REST, NULL },
    { "in a comment alone", "h", "<!-- <jnlp codebase='http://h/'>", NULL },
    { "no end of the type", "h", "<!DOCTYPE jnlp [ <jnlp codebase='http://h/'>", NULL },
    { "no quotes", "h", "<jnlp codebase=http://h/>", NULL },
    { "no space between attributes", "h", "<jnlp a='b'codebase='http://h/'" REST, NULL },
    { "a tag in a value", "h", "<jnlp a='<' codebase='http://h/'" REST, NULL },
    { "no XML", "h", "codebase='http://h/'", NULL },
    { "text before", "h", "x<jnlp codebase='http://h/'>", NULL },
    { "nothing", "h", "", NULL },
};

static void check_document(const struct jnlp_row *row, size_t len, const char *expected)
{
    char *bytes = guarded_end() - len - 1;
    size_t n;

    memcpy(bytes, row->in, len);
    n = openmeetings_rewrite_jnlp(bytes, len, span_of(row->host));
    row_assert_int(row, n, strlen(expected));
    row_assert(row, memcmp(bytes, expected, n) == 0);
}

static void the_codebase_becomes_https(void **state)
{
    (void)state;
    for (const struct jnlp_row *row = documents; row < documents + COUNT(documents); row++)
        check_document(row, strlen(row->in), row->out != NULL ? row->out : row->in);
}

/* Cut anywhere: changed as the whole is, as far as it goes, or left alone. */
static void a_cut_document_is_changed_as_the_whole_or_not_at_all(void **state)
{
    (void)state;
    for (const struct jnlp_row *row = documents; row < documents + COUNT(documents); row++) {
        for (size_t len = 0; len < strlen(row->in); len++) {
            const char *whole = row->out != NULL ? row->out : row->in;
            char *bytes = guarded_end() - len - 1;
            size_t n;

            memcpy(bytes, row->in, len);
            n = openmeetings_rewrite_jnlp(bytes, len, span_of(row->host));
            row_assert(row, n <= len + 1);
            row_assert(row, n == len
                                ? memcmp(bytes, row->in, n) == 0 || memcmp(bytes, whole, n) == 0
                                : memcmp(bytes, whole, n) == 0);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(origins_are_judged),
        cmocka_unit_test(requests_for_jnlp_are_known_by_their_path),
        cmocka_unit_test(responses_with_jnlp_are_known_by_their_type),
        cmocka_unit_test(the_codebase_becomes_https),
        cmocka_unit_test(a_cut_document_is_changed_as_the_whole_or_not_at_all),
    };

    return cmocka_run_group_tests_name("openmeetings", tests, NULL, NULL);
}
