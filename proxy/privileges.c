#include "proxy/privileges.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static const char own_user[] = "red5-tls-proxy";

static void complain_at(const struct config *config, const char *key, struct complaints *c,
                        const char *sentence, const char *name)
{
    complain(c, config_key_line(&config->proxy.section, key), "proxy", key, sentence, name);
}

/* No `user` was given: ours if there is one, else nobody. */
static const struct passwd *default_user(struct complaints *c)
{
    const struct passwd *pw = getpwnam(own_user);

    if (pw != NULL)
        return pw;
    complain_mildly(c, 0, NULL, NULL,
                    "there is no user %s, the workers run as nobody; other services may run as "
                    "nobody too, so better: useradd --system %s",
                    own_user, own_user);
    return getpwnam("nobody");
}

static void resolve_as_root(const struct config *config, struct privileges *out,
                            struct complaints *c)
{
    const char *user = config->proxy.user;
    const char *group = config->proxy.group;
    const struct passwd *pw = user != NULL ? getpwnam(user) : default_user(c);
    const struct group *gr;

    if (pw == NULL) {
        complain_at(config, "user", c, "there is no user \"%s\"", user != NULL ? user : "nobody");
        return;
    }
    out->user = pw->pw_uid;
    out->group = pw->pw_gid;
    if (out->user == 0)
        complain_mildly(c, config_key_line(&config->proxy.section, "user"), "proxy", "user",
                        "the workers keep root's rights; a fault in one gives them away");
    gr = group != NULL ? getgrnam(group) : NULL;
    if (group != NULL && gr == NULL)
        complain_at(config, "group", c, "there is no group \"%s\"", group);
    else if (gr != NULL)
        out->group = gr->gr_gid;
    out->is_dropped = out->user != 0 || out->group != 0;
}

void privileges_resolve(const struct config *config, struct privileges *out, struct complaints *c)
{
    const struct passwd *pw;

    *out = (struct privileges){ .is_dropped = false };
    if (geteuid() == 0) {
        resolve_as_root(config, out, c);
        return;
    }
    if (config->proxy.user != NULL) {
        pw = getpwnam(config->proxy.user);
        if (pw == NULL || pw->pw_uid != geteuid())
            complain_at(config, "user", c, "only root can become \"%s\"; leave the key out",
                        config->proxy.user);
    }
    if (config->proxy.group != NULL)
        complain_at(config, "group", c, "only root can become \"%s\"; leave the key out",
                    config->proxy.group);
}

int privileges_drop(const struct privileges *p, struct error *err)
{
    /* No rights through a set-user-ID program either. */
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return error_set(err, "prctl: %s", strerror(errno));
    if (!p->is_dropped)
        return 0;
    if (setgroups(0, NULL) < 0 || setgid(p->group) < 0 || setuid(p->user) < 0)
        return error_set(err, "cannot become user %u, group %u: %s", (unsigned)p->user,
                         (unsigned)p->group, strerror(errno));
    if (p->user != 0 && (setuid(0) == 0 || seteuid(0) == 0))
        return error_set(err, "root's rights could be had again");
    return 0;
}
