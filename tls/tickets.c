#include "tls/tickets.h"

#include "tls/errors.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_TRIES = 1000 }; /* the master writes for less than a microsecond */

struct tls_ticket_keys {
    struct ticket_keys keys;
};

static uint64_t now_s(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec;
}

/* ---- the page ---- */

static void publish(struct tls_tickets *t, const struct ticket_keys *keys)
{
    struct ticket_page *page = t->page;
    uint64_t words[TICKET_WORDS];

    memcpy(words, keys, sizeof(words));
    (void)atomic_fetch_add_explicit(&page->sequence, 1, memory_order_acquire);
    atomic_thread_fence(memory_order_release);
    for (size_t i = 0; i < TICKET_WORDS; i++)
        atomic_store_explicit(&page->words[i], words[i], memory_order_relaxed);
    (void)atomic_fetch_add_explicit(&page->sequence, 1, memory_order_release);
    OPENSSL_cleanse(words, sizeof(words));
}

/* False where a writer is in the middle, and stays there: it was killed. */
static bool snapshot(const struct tls_tickets *t, struct ticket_keys *keys)
{
    struct ticket_page *page = t->page;
    uint64_t words[TICKET_WORDS];
    bool is_whole = false;

    for (int i = 0; i < READ_TRIES && !is_whole; i++) {
        unsigned before = atomic_load_explicit(&page->sequence, memory_order_acquire);

        for (size_t k = 0; k < TICKET_WORDS; k++)
            words[k] = atomic_load_explicit(&page->words[k], memory_order_relaxed);
        atomic_thread_fence(memory_order_acquire);
        is_whole = before % 2 == 0 &&
                   before == atomic_load_explicit(&page->sequence, memory_order_relaxed);
    }
    memcpy(keys, words, sizeof(words));
    OPENSSL_cleanse(words, sizeof(words));
    return is_whole;
}

/* ---- the master ---- */

static bool is_zero(const void *bytes, size_t n)
{
    const unsigned char *p = bytes;
    unsigned char sum = 0;

    while (n-- > 0)
        sum |= *p++;
    return sum == 0;
}

static bool is_usable(const struct ticket_key *key)
{
    return !is_zero(key->name, sizeof(key->name)) && !is_zero(key->hmac, sizeof(key->hmac)) &&
           !is_zero(key->aes, sizeof(key->aes));
}

/* A key of our own in front of `keys`; those that are over drop out. */
static int draw(struct tls_tickets *t, struct ticket_keys *keys, struct error *err)
{
    uint64_t now = t->now_s();
    struct ticket_keys next = { .count = 1 };

    if (RAND_priv_bytes((unsigned char *)&next.slots[0].key, sizeof(next.slots[0].key)) != 1 ||
        !is_usable(&next.slots[0].key))
        return tls_error_set(err, "no random bytes for a ticket key");
    for (uint64_t i = 0; i < keys->count && next.count < TICKET_KEYS_MAX; i++) {
        uint64_t until = i > 0 ? keys->slots[i].until_s : now + TICKET_LIFETIME_S;

        if (until <= now)
            continue;
        next.slots[next.count] = keys->slots[i];
        next.slots[next.count++].until_s = until;
    }
    *keys = next;
    OPENSSL_cleanse(&next, sizeof(next));
    t->rotate_s = now + TICKET_ROTATION_S;
    return 0;
}

struct tls_tickets *tls_tickets_new(struct error *err)
{
    struct tls_tickets *t = calloc(1, sizeof(*t));
    void *page =
        mmap(NULL, sizeof(*t->page), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (t == NULL || page == MAP_FAILED) {
        (void)error_set(err, "memory has run out");
        free(t);
        return NULL;
    }
    (void)madvise(page, sizeof(*t->page), MADV_DONTDUMP);
    t->page = page;
    t->now_s = now_s;
    t->cipher = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
    if (t->cipher == NULL)
        (void)tls_error_set(err, "OpenSSL has no AES-256-CBC");
    if (t->cipher == NULL || tls_tickets_use(t, NULL, err) < 0) {
        tls_tickets_free(t);
        return NULL;
    }
    return t;
}

void tls_tickets_free(struct tls_tickets *t)
{
    if (t == NULL)
        return;
    EVP_CIPHER_free(t->cipher);
    (void)munmap(t->page, sizeof(*t->page));
    free(t);
}

int tls_tickets_use(struct tls_tickets *t, const struct tls_ticket_keys *file, struct error *err)
{
    struct ticket_keys own = { .count = 0 };

    if (file != NULL) {
        publish(t, &file->keys);
        t->rotate_s = 0;
        return 0;
    }
    if (t->rotate_s != 0)
        return 0; /* a reload keeps them */
    if (draw(t, &own, err) < 0)
        return -1;
    publish(t, &own);
    OPENSSL_cleanse(&own, sizeof(own));
    return 0;
}

int tls_tickets_rotate(struct tls_tickets *t, struct error *err)
{
    struct ticket_keys keys;
    int rc;

    if (t->rotate_s == 0 || t->now_s() < t->rotate_s)
        return 0;
    (void)snapshot(t, &keys); /* of what we wrote ourselves */
    rc = draw(t, &keys, err);
    if (rc == 0)
        publish(t, &keys);
    OPENSSL_cleanse(&keys, sizeof(keys));
    return rc;
}

/* ---- a file ---- */

static int judge_file(int fd, const char *path, struct error *err)
{
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        return error_set(err, "%s cannot be read: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return error_set(err, "%s is no regular file", path);
    if ((st.st_mode & S_IROTH) != 0)
        return error_set(err, "%s can be read by everybody; chmod o-r it, and make new keys", path);
    if (st.st_size == 0 || st.st_size % (off_t)sizeof(struct ticket_key) != 0)
        return error_set(
            err, "%s has %lld bytes; each key has %zu: openssl rand -out FILE %zu makes one", path,
            (long long)st.st_size, sizeof(struct ticket_key), sizeof(struct ticket_key));
    if (st.st_size > (off_t)(TICKET_KEYS_MAX * sizeof(struct ticket_key)))
        return error_set(err, "%s has more than %d keys", path, TICKET_KEYS_MAX);
    return 0;
}

/* The same name twice: the second could never open anything. */
static int add_key(struct ticket_keys *keys, const struct ticket_key *key, const char *path,
                   struct error *err)
{
    if (!is_usable(key))
        return error_set(err, "key %d of %s is zeros; openssl rand makes better ones",
                         (int)keys->count + 1, path);
    for (uint64_t i = 0; i < keys->count; i++)
        if (memcmp(keys->slots[i].key.name, key->name, sizeof(key->name)) == 0)
            return error_set(err, "two keys of %s begin with the same %d bytes", path,
                             TICKET_NAME_BYTES);
    keys->slots[keys->count++].key = *key;
    return 0;
}

struct tls_ticket_keys *tls_ticket_keys_load(const char *path, struct error *err)
{
    struct tls_ticket_keys *file = calloc(1, sizeof(*file));
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    struct ticket_key key;
    ssize_t n = 0;
    int rc = judge_file(fd, path, err);

    if (file == NULL)
        rc = error_set(err, "memory has run out");
    while (rc == 0 && file != NULL && file->keys.count < TICKET_KEYS_MAX &&
           (n = read(fd, &key, sizeof(key))) == (ssize_t)sizeof(key))
        rc = add_key(&file->keys, &key, path, err);
    if (rc == 0 && file != NULL && (file->keys.count == 0 || (n != 0 && n != (ssize_t)sizeof(key))))
        rc = error_set(err, "%s cannot be read to its end", path);
    OPENSSL_cleanse(&key, sizeof(key));
    if (fd >= 0)
        (void)close(fd);
    if (rc == 0)
        return file;
    tls_ticket_keys_free(file);
    return NULL;
}

void tls_ticket_keys_free(struct tls_ticket_keys *file)
{
    if (file == NULL)
        return;
    OPENSSL_cleanse(file, sizeof(*file));
    free(file);
}

/* ---- a worker ---- */

static const struct ticket_key *find(const struct tls_tickets *t, const struct ticket_keys *keys,
                                     const unsigned char *name)
{
    uint64_t now = t->now_s();

    for (uint64_t i = 0; i < keys->count && i < TICKET_KEYS_MAX; i++)
        if (CRYPTO_memcmp(keys->slots[i].key.name, name, TICKET_NAME_BYTES) == 0)
            return keys->slots[i].until_s == 0 || now < keys->slots[i].until_s ? &keys->slots[i].key
                                                                               : NULL;
    return NULL;
}

static int set_up(struct tls_tickets *t, const struct ticket_key *key, const unsigned char *iv,
                  EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, bool is_sealing)
{
    char digest[] = "SHA256";
    unsigned char hmac[sizeof(key->hmac)];
    OSSL_PARAM params[3];
    int rc;

    memcpy(hmac, key->hmac, sizeof(hmac)); /* OpenSSL's parameters are not const */
    params[0] = OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, hmac, sizeof(hmac));
    params[1] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0);
    params[2] = OSSL_PARAM_construct_end();
    rc = EVP_MAC_CTX_set_params(mac, params) == 1 &&
         EVP_CipherInit_ex(cipher, t->cipher, NULL, key->aes, iv, is_sealing) == 1;
    OPENSSL_cleanse(hmac, sizeof(hmac));
    return rc ? 0 : -1;
}

/* 1: the key is set; 2: and a new ticket is due; 0: no ticket; -1: no memory. */
int tickets_key(struct tls_tickets *t, unsigned char *name, unsigned char *iv,
                EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, bool is_sealing)
{
    const struct ticket_key *key = NULL;
    struct ticket_keys keys;
    int rc = 0;

    if (snapshot(t, &keys) && keys.count > 0)
        key = is_sealing ? &keys.slots[0].key : find(t, &keys, name);
    if (key != NULL && is_sealing) {
        memcpy(name, key->name, sizeof(key->name));
        if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(t->cipher)) != 1)
            rc = -1;
    }
    if (key != NULL && rc == 0)
        rc = set_up(t, key, iv, cipher, mac, is_sealing) < 0 ? -1
             : is_sealing || key == &keys.slots[0].key       ? 1
                                                             : 2;
    OPENSSL_cleanse(&keys, sizeof(keys));
    return rc;
}
