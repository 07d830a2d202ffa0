#include "config/check_http.h"

#include <ctype.h>
#include <string.h>

static int line_of(const struct listener_config *l, const char *key)
{
    return config_key_line(&l->section, key);
}

static void check_trusted(struct listener_config *l, struct complaints *c)
{
    bool is_append = l->forwarded == FORWARD_APPEND;

    for (size_t i = 0; i < l->trusted_proxies.count; i++) {
        struct error err;

        if (l->trusted_count == CONFIG_TRUSTED_MAX) {
            complain(c, line_of(l, "trusted_proxies"), l->section.name, "trusted_proxies",
                     "has more than %d networks", CONFIG_TRUSTED_MAX);
            return;
        }
        if (addr_parse_prefix(l->trusted_proxies.items[i], &l->trusted[l->trusted_count], &err) < 0)
            complain(c, line_of(l, "trusted_proxies"), l->section.name, "trusted_proxies", "%s",
                     err.text);
        else
            l->trusted_count++;
    }
    if (is_append && l->trusted_proxies.count == 0)
        complain(c, line_of(l, "forwarded"), l->section.name, "forwarded",
                 "append needs trusted_proxies: a field that anybody can send proves nothing");
    if (!is_append && l->trusted_proxies.count > 0)
        complain(c, line_of(l, "trusted_proxies"), l->section.name, "trusted_proxies",
                 "does nothing without forwarded = append");
}

/* The value goes into a header field as it is written. */
static void check_hsts(const struct listener_config *l, struct complaints *c)
{
    if (l->hsts == NULL || strcmp(l->hsts, "pass") == 0 || strcmp(l->hsts, "strip") == 0)
        return;
    if (strncasecmp(l->hsts, "max-age=", strlen("max-age=")) != 0)
        complain(c, line_of(l, "hsts"), l->section.name, "hsts",
                 "\"%s\" is neither pass nor strip nor begins with max-age=", l->hsts);
    for (const char *p = l->hsts; *p != '\0'; p++)
        if (iscntrl((unsigned char)*p)) {
            complain(c, line_of(l, "hsts"), l->section.name, "hsts", "has a control character");
            return;
        }
}

static void check_override(const struct listener_config *l, struct complaints *c)
{
    int line = line_of(l, "override");

    if (l->override.count % 2 != 0)
        complain(c, line, l->section.name, "override",
                 "has a PATH without a FILE; write pairs, as /openmeetings/config.xml config.xml");
    for (size_t i = 0; i < l->override.count; i += 2) {
        const char *path = l->override.items[i];

        if (path[0] != '/' || strpbrk(path, "?#") != NULL)
            complain(c, line, l->section.name, "override",
                     "\"%s\" is no PATH: it begins with / and has neither ? nor #", path);
        for (size_t k = 0; k < i; k += 2)
            if (strcmp(path, l->override.items[k]) == 0)
                complain(c, line, l->section.name, "override", "\"%s\" stands there twice", path);
    }
}

/* "https://host", "https://host:port": a path comes from the request. */
static void check_redirect(const struct listener_config *l, struct complaints *c)
{
    static const char scheme[] = "https://";
    const char *host;

    if (l->redirect == NULL)
        return;
    host = l->redirect + strlen(scheme);
    if (strncmp(l->redirect, scheme, strlen(scheme)) != 0 || *host == '\0' ||
        host[strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.:[]_")])
        complain(c, line_of(l, "redirect"), l->section.name, "redirect",
                 "\"%s\" is not of the form https://HOST or https://HOST:PORT", l->redirect);
}

void config_check_http(struct listener_config *l, struct complaints *c)
{
    check_trusted(l, c);
    check_hsts(l, c);
    check_override(l, c);
    check_redirect(l, c);
}
